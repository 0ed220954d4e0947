// From totals to batches.

import NeedletailTelemetry
import NeedletailWire

extension DeltaAccumulator.Applied {
  /// Some of the rows as a batch.
  struct Part {
    let batch: SeriesBatch
    let rows: Range<Int>
    /// Points of the sender.
    let pointCount: Int
    /// Zeros at the start of series, which no sender counts.
    let zeroCount: Int
  }

  /// A batch is cut before it grows larger than this many bytes: a row has 60 at most, that of a histogram some KiB.
  static let cutBytes = Frame.bytesMax - (1 << 20)

  /// The rows as batches that fit into frames.
  ///
  /// They are named after `batchID`, downwards.
  func parts(tenant: TenantID, batchID: Hash128, cutBytes: Int = cutBytes) -> [Part] {
    var parts: [Part] = []
    var builder = SeriesBatchBuilder()
    var begin = 0
    var (pointCount, zeroCount) = (0, 0)
    func cut(at end: Int) {
      let id = Hash128(high: batchID.high, low: batchID.low &- UInt64(parts.count))
      if let batch = builder.build(tenant: tenant, batchID: id) {
        parts.append(Part(batch: batch, rows: begin..<end, pointCount: pointCount, zeroCount: zeroCount))
      }
      begin = end
      (pointCount, zeroCount) = (0, 0)
    }
    for (index, row) in rows.enumerated() {
      // The values of one point stay together.
      if row.beginsPoint, builder.byteCountEstimate > cutBytes { cut(at: index) }
      builder.beginSeries(row.series, startTimestamp: row.start == 0 ? nil : row.start)
      if row.hasZero {
        builder.append(timestamp: row.start, row.total.zero)
        zeroCount += 1
      }
      builder.append(timestamp: row.time, row.total)
      if row.beginsPoint { pointCount += 1 }
    }
    cut(at: rows.count)
    return parts
  }
}
