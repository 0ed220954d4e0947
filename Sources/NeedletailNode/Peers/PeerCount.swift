import NeedletailTelemetry

extension ByteReader {
  /// A number that another node counted, 2^31 - 1 where it is larger: it is added to those of others, which must not
  /// overflow whatever a node says.
  mutating func readPeerCount() throws(MalformedBytes) -> Int {
    Int(Int32(clamping: try readVarint()))
  }
}
