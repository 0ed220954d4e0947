import NeedletailTelemetry

/// The reset hints of a column's histograms as runs of equal ones, each a varint: its length times 4, plus the hint.
enum HistogramHints {
  static func encode(_ rows: HistogramRows, to bytes: inout [UInt8]) {
    var start = 0
    while start < rows.count {
      let hint = rows[start][HistogramLayout.hintOffset]
      var end = start + 1
      while end < rows.count, rows[end][HistogramLayout.hintOffset] == hint { end += 1 }
      bytes.appendVarint(UInt64(end - start) << 2 | UInt64(hint))
      start = end
    }
  }

  /// Those of `count` histograms.
  static func decode(
    _ reader: inout ByteReader, count: Int
  ) throws(MalformedBytes) -> [NativeHistogram.ResetHint] {
    var hints: [NativeHistogram.ResetHint] = []
    hints.reserveCapacity(count)
    while hints.count < count {
      let run = try reader.readVarint()
      guard let length = Int(exactly: run >> 2), length > 0, length <= count - hints.count,
        let hint = NativeHistogram.ResetHint(rawValue: UInt8(truncatingIfNeeded: run & 3))
      else { throw .invalid("more reset hints than histograms") }
      hints.append(contentsOf: repeatElement(hint, count: length))
    }
    return hints
  }
}
