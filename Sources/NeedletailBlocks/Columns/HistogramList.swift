// Histograms as they came, for those that a column cannot hold to the bit or not in fewer bytes. Parts of format 4 have
// no other form.

import NeedletailTelemetry

/// Histograms one behind the other: their number, then for each its time less that of the one before, and its byte form.
package enum HistogramList {
  /// Appends the list.
  package static func encode(_ rows: HistogramRows, to bytes: inout [UInt8]) {
    bytes.appendVarint(UInt64(rows.count))
    var previous: Int64 = 0
    for index in 0..<rows.count {
      bytes.appendVarint(ZigZag.encode(rows.times[index] &- previous))
      bytes.appendVarint(UInt64(rows[index].count))
      bytes.append(contentsOf: rows[index])
      previous = rows.times[index]
    }
  }

  /// Calls `body` with the time and the bytes of each, which may be anything; the reader stands behind the list then.
  package static func forEach(
    _ reader: inout ByteReader, _ body: (Int64, UnsafeRawBufferPointer) throws(MalformedBytes) -> Void
  ) throws(MalformedBytes) {
    var time: Int64 = 0
    for _ in 0..<(try reader.readCount(elementBytes: 2)) {
      time = time &+ (try reader.readSignedVarint())
      try body(time, try reader.readPrefixed())
    }
  }
}
