// 64-bit floats, lossless to the bit: the chooser of the forms, each of which is a file of its own.

import NeedletailTelemetry

/// A column of 64-bit floats, stored in the form that is smallest for it.
package enum DoubleColumn {
  private enum Form: UInt8 {
    case constant = 1
    case decimal = 2
    case xor = 3
  }

  /// Above as many bytes a value a decimal column is held against xor; below, xor has not been seen to win.
  private static let doubtfulBytes = 4

  /// Appends the encoded column to `output`: at most 8.2 bytes a value, and 60.
  ///
  /// What is measured is the size, and where sizes are within 2 % of each other the faster form to decode, xor, is taken.
  package static func encode(_ values: UnsafeBufferPointer<Double>, to output: inout [UInt8]) {
    values.withMemoryRebound(to: UInt64.self) { bits in
      if ConstantColumn.fits(bits) {
        start(.constant, values.count, &output)
        return ConstantColumn.encode(bits, to: &output)
      }
      let begin = output.count
      start(.decimal, values.count, &output)
      if DecimalColumn.encode(values, to: &output) {
        let size = output.count - begin
        if size <= values.count * doubtfulBytes { return }
        var other: [UInt8] = []
        start(.xor, values.count, &other)
        XorColumn.encode(bits, to: &other)
        if other.count * 50 > size * 51 { return }
        output.removeLast(size)
        output.append(contentsOf: other)
      } else {
        output.removeLast(output.count - begin)
        start(.xor, values.count, &output)
        XorColumn.encode(bits, to: &output)
      }
    }
  }

  private static func start(_ form: Form, _ count: Int, _ output: inout [UInt8]) {
    output.append(form.rawValue)
    output.appendVarint(UInt64(count))
  }

  /// Appends the column at the reader's place to `output`; the reader stands behind it then.
  ///
  /// `countMax` bounds what may be allocated: the size of a constant column says nothing about its count. Where it
  /// throws, what was appended to `output` is not to be used.
  package static func decode(
    _ reader: inout ByteReader, countMax: Int = 1 << 20, to output: inout [Double]
  ) throws(MalformedBytes) {
    guard let form = Form(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown form") }
    guard let count = Int(exactly: try reader.readVarint()), count <= countMax else {
      throw .invalid("impossible count")
    }
    switch form {
    case .constant: try ConstantColumn.decode(&reader, count: count, to: &output)
    case .decimal: try DecimalColumn.decode(&reader, count: count, to: &output)
    case .xor: try XorColumn.decode(&reader, count: count, to: &output)
    }
  }
}
