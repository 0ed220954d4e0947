import NeedletailBlocks
import NeedletailTelemetry

/// Which parts of a day are merged, and their merging into one.
enum PartMerge {
  /// Parts of one level and day that are merged into one of the next level.
  static let fanIn = 8
  /// Rows of a merged part: what its references take in memory is 32 bytes each.
  static let rowsMax: UInt64 = 4 << 20

  /// The parts to merge next, all of one day and none of `others`; none where there is nothing to do.
  static func choose(_ parts: [EventPart], without others: Set<PartID> = []) -> [EventPart] {
    struct Tier: Hashable {
      var day: Int64
      var level: UInt32
    }
    let tiers = Dictionary(grouping: parts.filter { !others.contains($0.record.id) }) {
      Tier(day: $0.record.summary.partition, level: $0.record.summary.level)
    }
    for (_, tier) in tiers.sorted(by: { ($0.key.day, $0.key.level) < ($1.key.day, $1.key.level) }) {
      var chosen: [EventPart] = []
      var rows: UInt64 = 0
      for part in tier.sorted(by: { $0.record.summary.rows < $1.record.summary.rows }) {
        let (sum, overflow) = rows.addingReportingOverflow(part.record.summary.rows)
        guard chosen.count < fanIn, !overflow, sum <= rowsMax else { break }
        rows = sum
        chosen.append(part)
      }
      if chosen.count == fanIn { return chosen }
    }
    return []
  }

  /// Writes the rows of parts of one day, each record once, as one part.
  ///
  /// Keeps to a pace where one is given. Ends at the next block when its task is cancelled, and then leaves nothing
  /// behind.
  static func merge(
    _ parts: [EventPart], isSpans: Bool, slots: SlotMap, to folder: PartsFolder, pace: PacedWork? = nil
  ) throws(EventEngineError) -> PartRecord {
    let parts = pace.map { pace in parts.map { $0.paced(by: pace) } } ?? parts
    var distinct: [Hash128: StreamEntry] = [:]
    for part in parts { for stream in part.streams { distinct[stream.identity] = stream } }
    let (streams, numbers) = StreamEntry.sorted(distinct)
    var references: [EventPartWriter.Reference] = []
    for (index, part) in parts.enumerated() {
      var row: UInt32 = 0
      for number in part.directory.blocks.indices {
        let columns = try read(number, of: part, [])
        for local in 0..<columns.rowCount {
          references.append(
            EventPartWriter.Reference(
              stream: numbers[columns.stream(of: local).identity] ?? 0, key: columns.key(of: local),
              source: UInt32(truncatingIfNeeded: index), row: row))
          row += 1
        }
      }
    }
    let level = (parts.map(\.record.summary.level).max() ?? 0) + 1
    return try EventPartWriter.write(
      consume references, of: PartSource(parts), streams: streams, isSpans: isSpans, slots: slots, level: level,
      to: folder, pace: pace)
  }

  /// A block with streams, times and keys, and these groups of columns; throws `.cancelled` where the task is.
  fileprivate static func read(
    _ block: Int, of part: EventPart, _ groups: [ColumnGroup]
  ) throws(EventEngineError) -> BlockColumns {
    if Task.isCancelled { throw .cancelled }
    return try EventEngineError.wrapping { () throws(BlockError) in
      let columns = try BlockColumns(part, part.directory.blocks[block])
      try columns.load(groups)
      return columns
    }
  }
}

/// Rows of parts, numbered through each part.
///
/// Merging asks for a part's rows in their order, so one block of each part is in memory.
private struct PartSource: EventPartWriter.Source {
  private struct Cursor {
    var part: EventPart
    var block = -1
    /// Number of the block's first row, and of the row after its last.
    var start = 0
    var end = 0
    var columns: BlockColumns?
  }

  private var cursors: [Cursor]

  init(_ parts: [EventPart]) { cursors = parts.map { Cursor(part: $0) } }

  mutating func withRow(_ reference: EventPartWriter.Reference, _ body: (EventRow) -> Void) throws(EventEngineError) {
    let source = Int(reference.source)
    while Int(reference.row) >= cursors[source].end {
      let part = cursors[source].part
      let block = cursors[source].block + 1
      guard block < part.directory.blocks.count else { throw Self.damage(part, block - 1) }
      let columns = try PartMerge.read(block, of: part, ColumnGroup.allCases)
      cursors[source].block = block
      cursors[source].start = cursors[source].end
      cursors[source].end += columns.rowCount
      cursors[source].columns = columns
    }
    let local = Int(reference.row) - cursors[source].start
    // Rows are asked for in their order, unless a part's own order is not what its format says.
    guard local >= 0 else { throw Self.damage(cursors[source].part, cursors[source].block) }
    cursors[source].columns?.withRow(local, body)
  }

  private static func damage(_ part: EventPart, _ block: Int) -> EventEngineError {
    let entry = part.directory.blocks.indices.contains(block) ? part.directory.blocks[block] : nil
    return .block(.damaged(path: part.data.path, offset: entry?.locations.first?.offset ?? 0, .content))
  }
}
