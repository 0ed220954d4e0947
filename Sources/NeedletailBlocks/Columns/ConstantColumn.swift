import NeedletailTelemetry

/// Floats that all have the same bits: the bits, once.
package enum ConstantColumn {
  /// Whether the column can hold the values; true for none.
  package static func fits(_ values: UnsafeBufferPointer<UInt64>) -> Bool {
    guard let first = values.first else { return true }
    return values.allSatisfy { $0 == first }
  }

  /// Appends the column of values that fit: 8 bytes.
  package static func encode(_ values: UnsafeBufferPointer<UInt64>, to output: inout [UInt8]) {
    output.appendInteger(values.first ?? 0)
  }

  /// Appends `count` values, which the caller has bounded; the reader stands behind the column then.
  package static func decode(
    _ reader: inout ByteReader, count: Int, to output: inout [Double]
  ) throws(MalformedBytes) {
    let value = Double(bitPattern: try reader.read(UInt64.self))
    output.append(contentsOf: repeatElement(value, count: count))
  }
}
