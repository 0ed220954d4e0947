import NeedletailTelemetry

/// Floats that all have the same bits: the bits, once.
enum ConstantColumn {
  private static let stretch = 32

  /// Whether the column can hold the values; true for none.
  static func fits(_ values: UnsafeBufferPointer<Double>) -> Bool {
    guard let first = values.first?.bitPattern, let last = values.last?.bitPattern else { return true }
    guard first == last else { return false }
    var start = 0
    while start < values.count {
      let end = min(start + stretch, values.count)
      var different: UInt64 = 0
      for index in start..<end { different |= values[index].bitPattern ^ first }
      if different != 0 { return false }
      start = end
    }
    return true
  }

  /// Writes the column of values that fit: 8 bytes.
  static func encode(_ values: UnsafeBufferPointer<Double>, to cursor: inout ColumnCursor) {
    cursor.write(values.first?.bitPattern ?? 0)
  }

  /// Fills `output`, which may hold anything before, with as many values; the reader stands behind the column then.
  static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Double>
  ) throws(MalformedBytes) {
    let value = Double(bitPattern: try reader.read(UInt64.self))
    output.update(repeating: value)
  }
}
