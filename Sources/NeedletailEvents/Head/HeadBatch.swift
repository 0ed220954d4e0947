import NeedletailTelemetry

/// Rows of the head: the batch as it was received, and which of its rows are in.
///
/// Never changes.
final class HeadBatch: Sendable {
  let batch: EventBatch
  /// The rows of the batch that were taken, ascending; at least one.
  let rows: [UInt32]
  /// By the batch's stream index.
  let streams: [StreamEntry]
  let timeMin: Int64
  let timeMax: Int64

  init(_ batch: EventBatch, rows: [UInt32], streams: [StreamEntry], timeMin: Int64, timeMax: Int64) {
    self.batch = batch
    self.rows = rows
    self.streams = streams
    self.timeMin = timeMin
    self.timeMax = timeMax
  }

  /// Calls `body` with every taken row and its number in the batch.
  func forEachRow(_ body: (UInt32, EventRow, StreamEntry) -> Void) {
    batch.withRows { rows in
      for row in self.rows { body(row, EventRow(rows, Int(row)), streams[rows.streamIndex(Int(row))]) }
    }
  }

  /// Calls `body` with one row.
  func withRow<Result>(_ row: UInt32, _ body: (EventRow, StreamEntry) -> Result) -> Result {
    batch.withRows { rows in body(EventRow(rows, Int(row)), streams[rows.streamIndex(Int(row))]) }
  }
}
