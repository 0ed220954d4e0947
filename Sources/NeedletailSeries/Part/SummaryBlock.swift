import NeedletailBlocks
import NeedletailTelemetry

/// A summary, and which of its series' runs it is of.
struct SummaryRow: Equatable, Sendable {
  var run: UInt32
  var summary: RunSummary
}

/// Neighbouring summaries of a part, in columns.
enum SummaryBlock {
  static let rowsMax = 1024

  static func encode(_ rows: [SummaryRow]) -> [UInt8] {
    var bytes: [UInt8] = []
    let integers: [(SummaryRow) -> Int64] = [
      { Int64($0.run) }, { Int64($0.summary.count) }, { $0.summary.firstTime }, { $0.summary.lastTime },
      { Int64($0.summary.resets) },
    ]
    for column in integers { rows.map(column).withUnsafeBufferPointer { IntegerColumn.encode($0, to: &bytes) } }
    let doubles: [(SummaryRow) -> Double] = [
      { $0.summary.first }, { $0.summary.last }, { $0.summary.minimum }, { $0.summary.maximum }, { $0.summary.sum },
      { $0.summary.resetSum },
    ]
    for column in doubles { rows.map(column).withUnsafeBufferPointer { DoubleColumn.encode($0, to: &bytes) } }
    return bytes
  }

  static func decode(_ bytes: UnsafeRawBufferPointer, count: Int) throws(MalformedBytes) -> [SummaryRow] {
    guard count >= 0, count <= rowsMax else { throw .invalid("too many summaries") }
    var reader = ByteReader(bytes)
    var integers: [[Int64]] = []
    for _ in 0..<5 { integers.append(try IntegerColumn.decode(&reader, count: count)) }
    var doubles: [[Double]] = []
    for _ in 0..<6 {
      var column: [Double] = []
      try DoubleColumn.decode(&reader, countMax: count, to: &column)
      guard column.count == count else { throw .invalid("columns of summaries disagree") }
      doubles.append(column)
    }
    try reader.expectEnd()
    return (0..<count).map { row in
      SummaryRow(
        run: UInt32(truncatingIfNeeded: integers[0][row]),
        summary: RunSummary(
          count: Int(integers[1][row]), times: (integers[2][row], integers[3][row]), first: doubles[0][row],
          last: doubles[1][row], minimum: doubles[2][row], maximum: doubles[3][row], sum: doubles[4][row],
          resets: Int(integers[4][row]), resetSum: doubles[5][row]))
    }
  }
}

/// The summaries of a part in the making.
struct SummaryWriter {
  private let file: BlockWriter
  private var rows: [SummaryRow] = []
  private(set) var locations: [BlockLocation] = []
  /// The number of the first summary of each block.
  private(set) var firsts: [UInt64] = []
  /// How many there are.
  private(set) var count: UInt64 = 0

  init(_ file: BlockWriter) { self.file = file }

  mutating func append(_ row: SummaryRow) throws(BlockError) {
    rows.append(row)
    count += 1
    if rows.count == SummaryBlock.rowsMax { try close() }
  }

  mutating func close() throws(BlockError) {
    guard !rows.isEmpty else { return }
    firsts.append(count - UInt64(rows.count))
    locations.append(
      try file.append(SummaryBlock.encode(rows), kind: PartBlockKind.summaries, savingPercentMin: 6))
    rows.removeAll(keepingCapacity: true)
  }
}

/// Reads summaries of a part, and keeps the block that it read last.
struct SummaryReader: Sendable {
  private let part: SeriesPart
  private var block = -1
  private var first: UInt64 = 0
  private var rows: [SummaryRow] = []
  private var failure: SeriesDamage?

  private let cache: PartBlockCache?

  init(_ part: SeriesPart, cache: PartBlockCache? = nil) {
    self.part = part
    self.cache = cache
  }

  /// Appends some of a part's summaries, by their numbers.
  mutating func read(_ start: UInt64, count: UInt32, into found: inout [SummaryRow]) throws(SeriesDamage) {
    var next = start
    for _ in 0..<count {
      if block < 0 || failure != nil || next < first || next - first >= UInt64(rows.count) { try load(next) }
      found.append(rows[Int(next - first)])
      next += 1
    }
  }

  private mutating func load(_ number: UInt64) throws(SeriesDamage) {
    let kind = PartBlockKind.summaries
    let wanted = part.content.block(of: number, kind: kind)
    if wanted != block {
      (block, first, rows, failure) = (wanted, 0, [], nil)
      do throws(SeriesDamage) {
        let range = part.content.things(inBlock: wanted, kind: kind, end: part.content.summaryCount)
        first = UInt64(range.lowerBound)
        rows = try read(wanted, count: range.count)
      } catch { failure = error }
    }
    if let failure { throw failure }
    guard number >= first, number - first < UInt64(rows.count) else {
      throw part.damage("a summary is not there", kind: kind, block: block)
    }
  }

  /// A block of so many rows, out of the cache where there is one.
  private func read(_ block: Int, count: Int) throws(SeriesDamage) -> [SummaryRow] {
    let kind = PartBlockKind.summaries
    guard let cache else { return try decode(try part.block(block, kind: kind), count: count) }
    let key = PartBlockCache.Key(part: part.record.id, kind: kind, number: block)
    let kept = try cache.block(key) { () throws(SeriesDamage) in
      .summaries(try decode(try part.block(block, kind: kind), count: count))
    }
    guard case .summaries(let rows) = kept, rows.count == count else {
      return try decode(try part.block(block, kind: kind), count: count)
    }
    return rows
  }

  private func decode(_ bytes: [UInt8], count: Int) throws(SeriesDamage) -> [SummaryRow] {
    var result: Result<[SummaryRow], MalformedBytes> = .failure(.truncated)
    bytes.withUnsafeBytes { bytes in
      result = Result { () throws(MalformedBytes) in try SummaryBlock.decode(bytes, count: count) }
    }
    do throws(MalformedBytes) {
      return try result.get()
    } catch {
      throw part.damage("\(error)", kind: PartBlockKind.summaries, block: block)
    }
  }
}
