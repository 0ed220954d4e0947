import NeedletailBlocks
import NeedletailTelemetry

/// An event with its stream.
package struct EventHit<Record: Sendable>: Sendable {
  package let stream: StreamEntry
  package let record: Record
  /// About what the event takes, in bytes: those of its columns that the scan reads for the record.
  package let byteCount: Int

  package init(stream: StreamEntry, record: Record, byteCount: Int) {
    self.stream = stream
    self.record = record
    self.byteCount = byteCount
  }
}

/// The answer to a query, page by page.
///
/// Used by one thread at a time; dropping it ends the reading. It sees the data as of the time that it was made.
package final class EventScan<Record: Sendable> {
  private let engine: EventEngine
  private let make: (EventRow, StreamEntry) throws(MalformedBytes) -> Record
  private let columns: [ColumnGroup]
  private var hits: HitReader

  /// `make` makes a record of a row; it sees the groups of columns that it asks for as `columns`.
  ///
  /// With `damages`, the snapshot's own, what is damaged is left out and told by `damages`; without, it is thrown.
  init(
    _ engine: EventEngine, _ query: EventQuery, snapshot: EventEngine.Snapshot, damages: [BlockError]? = nil,
    columns: [ColumnGroup] = ColumnGroup.allCases,
    make: @escaping (EventRow, StreamEntry) throws(MalformedBytes) -> Record
  ) throws(EventEngineError) {
    self.engine = engine
    self.columns = columns
    self.make = make
    hits = try HitReader(engine, query, snapshot: snapshot, damages: damages)
  }

  /// What could not be read so far: where there is any, the answer may lack events; no more than a few are kept.
  package var damages: [BlockError] { hits.damages ?? [] }

  /// The next events, at most `count`; none after the last.
  ///
  /// A page ends early, but not before its first event, where its events take more than `bytesMax` bytes together.
  package func next(upTo count: Int = 1024, bytesMax: Int = 16 << 20) throws(EventEngineError) -> [EventHit<Record>] {
    var page: [EventHit<Record>] = []
    var byteCount = 0
    while page.count < count, page.isEmpty || byteCount < bytesMax, let (unit, hit) = try hits.next() {
      let made: EventHit<Record>
      do throws(EventEngineError) {
        made = try unit.make(hit.row, columns, make)
      } catch {
        guard case .block(let damage) = error else {
          engine.note(failed: 1)
          throw error
        }
        try hits.leaveOutLast(damage, of: unit)
        continue
      }
      byteCount += made.byteCount
      page.append(made)
      hits.remaining -= 1
    }
    return page
  }
}
