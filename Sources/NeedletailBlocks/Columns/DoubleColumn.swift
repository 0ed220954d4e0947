// 64-bit floats, lossless to the bit: the chooser of the forms, each of which is a file of its own.

import NeedletailTelemetry

/// A column of 64-bit floats, stored in the form that is smallest for it.
package enum DoubleColumn {
  private enum Form: UInt8 {
    case constant = 1
    case decimal = 4
    case bits = 5
  }

  /// Above as many bytes a value a decimal column is held against the bits; below, they have not been seen to win.
  private static let doubtfulBytes = 4

  /// Appends the encoded column to `output`: at most 8.2 bytes a value, and 60.
  ///
  /// What is measured is the size; bits, which are faster to decode, win over decimals that are less than 2 % smaller.
  package static func encode(_ values: UnsafeBufferPointer<Double>, to output: inout [UInt8]) {
    ColumnCursor.append(count: values.count, to: &output) { encode(values, to: &$0) }
  }

  private static func encode(_ values: UnsafeBufferPointer<Double>, to cursor: inout ColumnCursor) {
    let begin = cursor.place
    if ConstantColumn.fits(values) {
      start(.constant, values.count, &cursor)
      return ConstantColumn.encode(values, to: &cursor)
    }
    start(.decimal, values.count, &cursor)
    guard DecimalColumn.encode(values, to: &cursor) else {
      cursor.rewind(to: begin)
      start(.bits, values.count, &cursor)
      return BitsColumn.encode(values, to: &cursor)
    }
    let size = cursor.place - begin
    guard size > values.count * doubtfulBytes else { return }
    var other: [UInt8] = []
    ColumnCursor.append(count: values.count, to: &other) { cursor in
      start(.bits, values.count, &cursor)
      BitsColumn.encode(values, to: &cursor)
    }
    guard other.count * 50 <= size * 51 else { return }
    cursor.rewind(to: begin)
    other.withUnsafeBytes { cursor.write($0) }
  }

  @inline(__always) private static func start(_ form: Form, _ count: Int, _ cursor: inout ColumnCursor) {
    cursor.write(byte: form.rawValue)
    cursor.writeVarint(UInt64(count))
  }

  /// How many values the column at the reader's place has, of which there may be `countMax`; the reader stays there.
  ///
  /// It is to be known before memory for them is asked for: the size of a constant column says nothing about it.
  package static func count(_ reader: ByteReader, countMax: Int) throws(MalformedBytes) -> Int {
    var reader = reader
    return try head(&reader, countMax: countMax).count
  }

  private static func head(
    _ reader: inout ByteReader, countMax: Int
  ) throws(MalformedBytes) -> (form: Form, count: Int) {
    guard let form = Form(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown form") }
    guard let count = Int(exactly: try reader.readVarint()), count <= countMax else {
      throw .invalid("impossible count")
    }
    guard form == .constant || count <= IntegerColumn.countMax(bytes: reader.remaining) else {
      throw .invalid("impossible count")
    }
    return (form, count)
  }

  /// Writes the column at the reader's place to the start of `output`, which may hold anything before, and returns how
  /// many values it has; the reader stands behind the column then.
  ///
  /// A column with more values than `output` has room for is refused. Where it throws, `output` holds anything.
  package static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Double>
  ) throws(MalformedBytes) -> Int {
    let (form, count) = try head(&reader, countMax: output.count)
    let target = UnsafeMutableBufferPointer(rebasing: output[..<count])
    switch form {
    case .constant: try ConstantColumn.decode(&reader, into: target)
    case .decimal: try DecimalColumn.decode(&reader, into: target)
    case .bits: try BitsColumn.decode(&reader, into: target)
    }
    return count
  }

  /// Appends the column at the reader's place to `output`; the reader stands behind it then.
  ///
  /// `countMax` bounds what may be allocated, as the bytes do where they are packed. Where it throws, `output` is as before.
  package static func decode(
    _ reader: inout ByteReader, countMax: Int = 1 << 20, to output: inout [Double]
  ) throws(MalformedBytes) {
    let count = try count(reader, countMax: countMax)
    try output.append(addingCapacity: count) { span throws(MalformedBytes) in
      try span.withUnsafeMutableBufferPointer { buffer, initialized throws(MalformedBytes) in
        let free = UnsafeMutableBufferPointer(rebasing: buffer[initialized..<(initialized + count)])
        initialized += try decode(&reader, into: free)
      }
    }
  }
}
