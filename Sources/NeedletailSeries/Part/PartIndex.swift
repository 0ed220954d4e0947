import NeedletailBlocks
import NeedletailTelemetry
import Synchronization

/// A part's inverted index in memory, as flat as on disk: the sections' bytes and tables of offsets into them.
final class PartIndex: Sendable {
  struct Name: Sendable {
    var tenant: Int
    var text: Range<Int>
    var values: Range<Int>
  }

  let content: PartContent
  private let dictionary: [UInt8]
  private let postings: [UInt8]
  private let labels: [UInt8]
  private let series: [UInt8]
  private let slots: [UInt8]
  fileprivate let names: [Name]
  private let valueTexts: [Range<Int>]
  private let valueNames: [UInt32]
  private let postingStarts: [Int]

  /// Reads and checks all sections; throws what could not be read, as one damage.
  init(_ part: SeriesPart) throws(SeriesDamage) {
    content = part.content
    dictionary = try part.section(PartBlockKind.dictionary)
    postings = try part.section(PartBlockKind.postings)
    labels = try part.section(PartBlockKind.labels)
    series = try part.section(PartBlockKind.series)
    slots = try part.section(PartBlockKind.slots)
    do throws(MalformedBytes) {
      let tables = try DictionaryTables(dictionary, tenantCount: part.content.tenants.count)
      names = tables.names
      valueTexts = tables.valueTexts
      valueNames = tables.valueNames
      postingStarts = try Self.postingStarts(
        postings, valueCount: tables.valueTexts.count, seriesCount: part.content.seriesCount)
      guard series.count == part.content.seriesCount * PartSeriesRecord.byteCount else { throw .truncated }
    } catch {
      throw part.damage("\(error)", kind: PartBlockKind.dictionary)
    }
  }

  var byteCount: Int {
    dictionary.count + postings.count + labels.count + series.count + slots.count + names.count * 40
      + valueTexts.count * 28
  }

  private struct DictionaryTables {
    var names: [Name] = []
    var valueTexts: [Range<Int>] = []
    var valueNames: [UInt32] = []

    init(_ bytes: [UInt8], tenantCount: Int) throws(MalformedBytes) {
      var problem: MalformedBytes?
      bytes.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        do throws(MalformedBytes) {
          for tenant in 0..<tenantCount {
            for _ in 0..<(try reader.readVarint()) { try readName(&reader, tenant) }
          }
          if !reader.isAtEnd { problem = .invalid("bytes left over in the dictionary") }
        } catch { problem = error }
      }
      if let problem { throw problem }
    }

    private mutating func readName(_ reader: inout ByteReader, _ tenant: Int) throws(MalformedBytes) {
      let text = try Self.range(&reader)
      let first = valueTexts.count
      for _ in 0..<(try reader.readVarint()) {
        valueTexts.append(try Self.range(&reader))
        valueNames.append(UInt32(truncatingIfNeeded: names.count))
      }
      names.append(Name(tenant: tenant, text: text, values: first..<valueTexts.count))
    }

    private static func range(_ reader: inout ByteReader) throws(MalformedBytes) -> Range<Int> {
      let count = try reader.readPrefixed().count
      return (reader.offset - count)..<reader.offset
    }
  }

  /// Walks all posting lists once: afterwards reading them cannot fail.
  private static func postingStarts(
    _ bytes: [UInt8], valueCount: Int, seriesCount: Int
  ) throws(MalformedBytes) -> [Int] {
    var starts: [Int] = []
    var problem: MalformedBytes?
    bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      do throws(MalformedBytes) {
        for _ in 0..<valueCount {
          starts.append(reader.offset)
          var number: UInt64 = 0
          for _ in 0..<(try reader.readVarint()) {
            number &+= try reader.readVarint()
            guard number < UInt64(seriesCount) else { throw MalformedBytes.invalid("a series is out of bounds") }
          }
        }
      } catch { problem = error }
    }
    if let problem { throw problem }
    return starts
  }

  // MARK: - Series

  /// The record of a series; nil where its bytes are not there, which `init` made sure of.
  func record(_ number: Int) -> PartSeriesRecord? {
    series.withUnsafeBytes { bytes in
      let start = number * PartSeriesRecord.byteCount
      guard start >= 0, start + PartSeriesRecord.byteCount <= bytes.count else { return nil }
      var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[start...]))
      return try? PartSeriesRecord(decoding: &reader)
    }
  }

  /// Appends the canonical label bytes of a series.
  func appendLabels(of record: PartSeriesRecord, to writer: inout ByteWriter) throws(MalformedBytes) {
    var problem: MalformedBytes?
    labels.withUnsafeBytes { labels in
      dictionary.withUnsafeBytes { dictionary in
        do throws(MalformedBytes) {
          var reader = ByteReader(labels)
          _ = try reader.read(count: Int(record.labelsOffset))
          var value: UInt64 = 0
          for _ in 0..<(try reader.readVarint()) {
            value &+= try reader.readVarint()
            guard value < UInt64(valueTexts.count) else { throw .invalid("a value is out of bounds") }
            let number = Int(value)
            writer.appendPrefixed(UnsafeRawBufferPointer(rebasing: dictionary[names[Int(valueNames[number])].text]))
            writer.appendPrefixed(UnsafeRawBufferPointer(rebasing: dictionary[valueTexts[number]]))
          }
        } catch { problem = error }
      }
    }
    if let problem { throw problem }
  }

  /// The numbers of a slot's series, ascending: what streams a slot to another node reads.
  func series(inSlot wanted: UInt16) throws(MalformedBytes) -> [Int] {
    var found: [Int] = []
    var problem: MalformedBytes?
    slots.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      do throws(MalformedBytes) {
        while !reader.isAtEnd {
          let slot = try reader.readVarint()
          var number: UInt64 = 0
          for _ in 0..<(try reader.readVarint()) {
            number &+= try reader.readVarint()
            guard number < UInt64(content.seriesCount) else { throw .invalid("a series is out of bounds") }
            if slot == UInt64(wanted) { found.append(Int(number)) }
          }
        }
      } catch { problem = error }
    }
    if let problem { throw problem }
    return found
  }

  func view(of tenant: TenantID) -> PartIndexView? {
    content.tenants.firstIndex { $0.tenant == tenant }.map { PartIndexView(index: self, tenant: $0) }
  }

  // MARK: - Names and values

  fileprivate func name(_ name: String, tenant: Int) -> Name? {
    dictionary.withUnsafeBytes { bytes in
      names.first { $0.tenant == tenant && bytes[$0.text].elementsEqual(name.utf8) }
    }
  }

  fileprivate func forEachText(
    _ ranges: some Sequence<(number: Int, text: Range<Int>)>, _ body: (UnsafeRawBufferPointer, Int) -> Void
  ) {
    dictionary.withUnsafeBytes { bytes in
      for entry in ranges { body(UnsafeRawBufferPointer(rebasing: bytes[entry.text]), entry.number) }
    }
  }

  fileprivate func text(_ value: Int) -> Range<Int> { valueTexts[value] }

  /// Binary search among a name's values.
  fileprivate func value(_ text: String, in values: Range<Int>) -> Int? {
    let wanted = Array(text.utf8)
    return dictionary.withUnsafeBytes { bytes in
      var (low, high) = (values.lowerBound, values.upperBound)
      while low < high {
        let middle = low + (high - low) / 2
        let candidate = bytes[valueTexts[middle]]
        if candidate.elementsEqual(wanted) { return middle }
        if candidate.lexicographicallyPrecedes(wanted) { low = middle + 1 } else { high = middle }
      }
      return nil
    }
  }

  fileprivate func insertSeries(withValue value: Int, into set: inout SeriesBitmap) {
    postings.withUnsafeBytes { bytes in
      var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[postingStarts[value]...]))
      var number = 0
      // `init` walked these bytes.
      for _ in 0..<((try? reader.readVarint()) ?? 0) {
        number += Int(truncatingIfNeeded: (try? reader.readVarint()) ?? 0)
        set.insert(number)
      }
    }
  }
}

/// A part's index as one tenant sees it.
struct PartIndexView: SeriesIndexView {
  let index: PartIndex
  let tenant: Int

  var universe: Int { index.content.seriesCount }

  func insertAll(into set: inout SeriesBitmap) {
    let entry = index.content.tenants[tenant]
    set.insert(entry.first..<(entry.first + entry.count))
  }

  func forEachName(_ body: (UnsafeRawBufferPointer) -> Void) {
    index.forEachText(index.names.lazy.filter { $0.tenant == tenant }.map { (0, $0.text) }) { name, _ in body(name) }
  }

  func forEachValue(of name: String, _ body: (UnsafeRawBufferPointer, Int) -> Void) {
    guard let name = index.name(name, tenant: tenant) else { return }
    index.forEachText(name.values.lazy.map { ($0, index.text($0)) }, body)
  }

  func number(of value: String, name: String) -> Int? {
    index.name(name, tenant: tenant).flatMap { index.value(value, in: $0.values) }
  }

  func insertSeries(withValue number: Int, into set: inout SeriesBitmap) {
    index.insertSeries(withValue: number, into: &set)
  }
}

/// Keeps the indexes that were used last, up to a number of bytes.
final class PartIndexCache: Sendable {
  private struct State {
    /// The one used last stands last.
    var entries: [(id: PartID, index: PartIndex)] = []
    var bytes = 0
  }

  private let bytesMax: Int
  private let state = Mutex(State())

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// The index of a part, read where it is not kept; reading happens outside of the lock.
  func index(of part: SeriesPart) throws(SeriesDamage) -> PartIndex {
    let id = part.record.id
    let kept: PartIndex? = state.withLock { state in
      guard let position = state.entries.firstIndex(where: { $0.id == id }) else { return nil }
      let entry = state.entries.remove(at: position)
      state.entries.append(entry)
      return entry.index
    }
    if let kept { return kept }
    let index = try PartIndex(part)
    state.withLock { state in
      guard !state.entries.contains(where: { $0.id == id }) else { return }
      state.entries.append((id, index))
      state.bytes += index.byteCount
      while state.bytes > bytesMax, state.entries.count > 1 {
        state.bytes -= state.entries.removeFirst().index.byteCount
      }
    }
    return index
  }

  func remove(_ id: PartID) {
    state.withLock { state in
      guard let position = state.entries.firstIndex(where: { $0.id == id }) else { return }
      state.bytes -= state.entries.remove(at: position).index.byteCount
    }
  }
}
