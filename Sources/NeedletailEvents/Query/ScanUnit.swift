import NeedletailBlocks
import NeedletailTelemetry

/// Rows that a scan reads together: a batch of the head, or a block of a part.
enum ScanUnit {
  case batch(HeadBatch)
  case block(EventPart, BlockEntry)

  var timeMin: Int64 {
    switch self {
    case .batch(let batch): batch.timeMin
    case .block(_, let entry): entry.timeMin
    }
  }

  var timeMax: Int64 {
    switch self {
    case .batch(let batch): batch.timeMax
    case .block(_, let entry): entry.timeMax
    }
  }
}

/// A unit in memory, from which matching rows are returned later.
enum LoadedUnit {
  case batch(HeadBatch)
  case columns(BlockColumns)

  /// Whether a group of columns could not be read, so that no hit can be made any more.
  var isLost: Bool {
    switch self {
    case .batch: false
    case .columns(let columns): columns.isLost
    }
  }

  /// Makes a hit of a row as `body` makes its record, with these groups of columns there.
  func make<Record>(
    _ row: UInt32, _ groups: [ColumnGroup], _ body: (EventRow, StreamEntry) throws(MalformedBytes) -> Record
  ) throws(EventEngineError) -> EventHit<Record> {
    func hit(_ event: EventRow, _ stream: StreamEntry) -> Result<EventHit<Record>, MalformedBytes> {
      Result { () throws(MalformedBytes) in
        EventHit(stream: stream, record: try body(event, stream), byteCount: event.byteCount)
      }
    }
    switch self {
    case .batch(let batch):
      let made = batch.withRow(row, hit)
      do throws(MalformedBytes) { return try made.get() } catch { throw .malformed(error) }
    case .columns(let columns):
      do throws(BlockError) { try columns.load(groups) } catch { throw .block(error) }
      let stream = columns.stream(of: Int(row))
      let made = columns.withRow(Int(row)) { hit($0, stream) }
      do throws(MalformedBytes) {
        return try made.get()
      } catch {
        throw .block(.damaged(path: columns.part.data.path, offset: columns.entry.locations[0].offset, .content))
      }
    }
  }

  /// Calls `found` with every row that passes the filter.
  func forEachMatch(_ filter: RowFilter, _ found: (EventKey, UInt32) -> Void) {
    var rests: [ObjectIdentifier: [Int]?] = [:]
    func rest(_ stream: StreamEntry) -> [Int]? {
      let key = ObjectIdentifier(stream)
      if let known = rests[key] { return known }
      let rest = filter.rest(of: stream)
      rests[key] = .some(rest)
      return rest
    }
    switch self {
    case .batch(let batch):
      batch.forEachRow { row, event, stream in
        guard let rest = rest(stream), filter.matches(event, stream, rest: rest) else { return }
        found(event.key, row)
      }
    case .columns(let columns):
      for row in 0..<columns.rowCount where filter.query.range.contains(columns.times[row]) {
        let stream = columns.stream(of: row)
        guard let rest = rest(stream) else { continue }
        columns.withRow(row) { event in
          if filter.matches(event, stream, rest: rest) { found(event.key, UInt32(truncatingIfNeeded: row)) }
        }
      }
    }
  }
}
