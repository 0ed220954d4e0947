import NeedletailBlocks
import NeedletailTelemetry

/// Reads the timestamp columns of a part, and keeps those that it decoded last: neighbours ask for the same ones.
struct TimeColumnReader: Sendable {
  /// At most as many columns are kept; a power of two.
  private static let keptMax = 512
  /// At most as many times of all kept columns together: 2 MiB, as every part of a query has such a reader.
  private static let keptTimesMax = 1 << 18

  private let part: SeriesPart
  private let cache: PartBlockCache?
  private var block = -1
  private var bytes: [UInt8] = []
  /// Where each column of the block lies in its bytes.
  private var columns: [Range<Int>] = []
  private var failure: SeriesDamage?
  private var kept: [(number: UInt32, times: [Int64])] = []
  private var keptTimes = 0

  init(_ part: SeriesPart, cache: PartBlockCache? = nil) {
    self.part = part
    self.cache = cache
  }

  /// The times of a column in ms: ascending, none twice, at least one.
  mutating func times(_ number: UInt32) throws(SeriesDamage) -> [Int64] {
    let slot = Int(number) & (Self.keptMax - 1)
    if slot < kept.count, kept[slot].number == number, !kept[slot].times.isEmpty { return kept[slot].times }
    let times = try decode(number)
    if keptTimes + times.count > Self.keptTimesMax { (kept, keptTimes) = ([], 0) }
    while kept.count <= slot { kept.append((0, [])) }
    keptTimes += times.count - kept[slot].times.count
    kept[slot] = (number, times)
    return times
  }

  private mutating func decode(_ number: UInt32) throws(SeriesDamage) -> [Int64] {
    let wanted = part.content.block(of: UInt64(number), kind: PartBlockKind.times)
    try load(wanted)
    let index = Int(UInt64(number) - part.content.first(ofBlock: wanted, kind: PartBlockKind.times))
    guard index < columns.count else {
      throw part.damage("a run names timestamps that are not there", kind: PartBlockKind.times, block: block)
    }
    var times: [Int64] = []
    let isRight = bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[columns[index]]))
      do throws(MalformedBytes) {
        try TimestampColumn.decode(&reader, countMax: SampleRun.countMax, to: &times)
        return reader.isAtEnd && Self.isAscending(times)
      } catch { return false }
    }
    guard isRight else { throw part.damage("timestamps are out of order", kind: PartBlockKind.times, block: block) }
    return times
  }

  private static func isAscending(_ times: [Int64]) -> Bool {
    guard !times.isEmpty else { return false }
    return times.withUnsafeBufferPointer { times in
      var isAscending = true
      for index in 1..<times.count where times[index - 1] >= times[index] { isAscending = false }
      return isAscending
    }
  }

  private mutating func load(_ wanted: Int) throws(SeriesDamage) {
    if wanted != block {
      (block, bytes, columns, failure) = (wanted, [], [], nil)
      do throws(SeriesDamage) {
        bytes = try part.block(wanted, kind: PartBlockKind.times, through: cache)
        columns = try ranges()
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private func ranges() throws(SeriesDamage) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    let isRight = bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      while !reader.isAtEnd {
        guard let column = try? reader.readPrefixed() else { return false }
        ranges.append((reader.offset - column.count)..<reader.offset)
      }
      return true
    }
    guard isRight else { throw part.damage("timestamps are cut off", kind: PartBlockKind.times, block: block) }
    return ranges
  }
}
