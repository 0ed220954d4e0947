import NeedletailTelemetry

extension RangeDigest {
  /// Bytes of its form in messages.
  static let byteCount = 24

  func write(to writer: inout ByteWriter) {
    writer.append(high)
    writer.append(low)
    writer.append(count)
  }

  init(from reader: inout ByteReader) throws(MalformedBytes) {
    let (high, low) = (try reader.read(UInt64.self), try reader.read(UInt64.self))
    self.init(high: high, low: low, count: try reader.read(UInt64.self))
  }
}
