import NeedletailBlocks
import NeedletailTelemetry

/// An open part: its files and its table of contents.
///
/// The index is read when a query needs it.
final class SeriesPart: Sendable {
  let record: PartRecord
  let content: PartContent
  private let reader: PartReader
  /// Shared with the copies that keep to a pace.
  let met: MetDamage

  /// Opens a part that the catalog lists.
  init(_ record: PartRecord, in folder: PartsFolder) throws(SeriesDamage) {
    self.record = record
    met = MetDamage()
    do throws(BlockError) {
      reader = try folder.open(record)
      let file = try reader.file(PartFileName.content)
      guard SeriesEngine.partFormats.contains(record.summary.format) else {
        throw .damaged(path: file.path, offset: 0, .version)
      }
      guard let length = UInt32(exactly: file.size) else { throw .damaged(path: file.path, offset: 0, .length) }
      let block = try file.read(BlockLocation(offset: 0, length: length), kind: PartBlockKind.content)
      guard let content = try? PartContent(decoding: block.bytes) else {
        throw .damaged(path: file.path, offset: 0, .content)
      }
      self.content = content
    } catch {
      throw SeriesDamage(part: record.id, error)
    }
  }

  private init(_ part: SeriesPart, _ pace: PacedWork) {
    (record, content, met) = (part.record, part.content, part.met)
    reader = part.reader.paced(by: pace)
  }

  /// The same part for a merge that keeps to a pace.
  func paced(by pace: PacedWork) -> SeriesPart { SeriesPart(self, pace) }

  /// Reads the blocks of a kind in the index file, one behind the other.
  func section(_ kind: UInt8) throws(SeriesDamage) -> [UInt8] {
    var bytes: [UInt8] = []
    do throws(BlockError) {
      let file = try reader.file(PartFileName.index)
      for location in content.blocks(kind) { bytes += try file.read(location, kind: kind).bytes }
    } catch {
      throw noted(error)
    }
    return bytes
  }

  /// Reads one block of samples, histograms or exemplars.
  func block(_ number: Int, kind: UInt8) throws(SeriesDamage) -> [UInt8] {
    let locations = content.blocks(kind)
    guard number < locations.count else { throw damage("a block's number is out of bounds") }
    do throws(BlockError) {
      return try reader.file(PartBlockKind.fileName(kind)).read(locations[number], kind: kind).bytes
    } catch {
      throw noted(error)
    }
  }

  /// The same, out of a cache where there is one.
  func block(_ number: Int, kind: UInt8, through cache: PartBlockCache?) throws(SeriesDamage) -> [UInt8] {
    guard let cache else { return try block(number, kind: kind) }
    let key = PartBlockCache.Key(part: record.id, kind: kind, number: number)
    let kept = try cache.block(key) { () throws(SeriesDamage) in .bytes(try block(number, kind: kind)) }
    guard case .bytes(let bytes) = kept else { return try block(number, kind: kind) }
    return bytes
  }

  private func noted(_ error: BlockError) -> SeriesDamage {
    let damage = SeriesDamage(part: record.id, error)
    met.note(error)
    return damage
  }

  /// What to say of bytes that passed their checksum and yet contradict themselves.
  func damage(_ reason: String, kind: UInt8? = nil, block: Int = 0) -> SeriesDamage {
    var damage = SeriesDamage(part: record.id, .damaged(path: "\(record.id)", offset: 0, .content))
    if let kind, block < content.blocks(kind).count {
      damage.path += "/" + PartBlockKind.fileName(kind)
      damage.offset = content.blocks(kind)[block].offset
    }
    damage.reason = reason
    met.note("\(damage)")
    return damage
  }

  /// Whether its runs of histograms are lists, as before format 5.
  var hasHistogramLists: Bool { record.summary.format < 5 }

  /// Whether runs tell of starts, and records of those that all samples have; before format 6 only of the latest.
  var hasRunStarts: Bool { record.summary.format >= 6 }

  /// Whether its digests are of the starts too; before format 7 they were not, and tell nothing.
  var hasStartDigests: Bool { record.summary.format >= 7 }

  /// Whether the part may hold something within the range.
  func overlaps(_ range: TimeRange) -> Bool { record.summary.overlaps(range) }
}

extension PartSummary {
  func overlaps(_ range: TimeRange) -> Bool {
    minTime <= range.endMilliseconds && maxTime >= range.startMilliseconds
  }
}
