extension SpanRecord {
  /// Appends events and links: the byte form of the batch's nested column.
  package static func encodeNested(events: [Event], links: [Link], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(events.count))
    for event in events {
      writer.append(event.timeNanoseconds)
      writer.appendPrefixed(event.name)
      Attribute.encode(event.attributes, to: &writer)
    }
    writer.appendVarint(UInt64(links.count))
    for link in links {
      writer.append(link.traceID.high)
      writer.append(link.traceID.low)
      writer.append(link.spanID.value)
      writer.appendPrefixed(link.traceState)
      Attribute.encode(link.attributes, to: &writer)
    }
  }

  /// Reads what `encodeNested` wrote; no bytes mean neither events nor links.
  package static func decodeNested(_ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) -> ([Event], [Link]) {
    guard !bytes.isEmpty else { return ([], []) }
    var reader = ByteReader(bytes)
    var events: [Event] = []
    for _ in 0..<(try count(&reader)) {
      let time = try reader.read(Int64.self)
      let name = try reader.readPrefixedString()
      events.append(Event(timeNanoseconds: time, name: name, attributes: try Attribute.decode(&reader)))
    }
    var links: [Link] = []
    for _ in 0..<(try count(&reader)) {
      let high = try reader.read(UInt64.self)
      let traceID = TraceID(high: high, low: try reader.read(UInt64.self))
      let spanID = SpanID(try reader.read(UInt64.self))
      let state = try reader.readPrefixedString()
      links.append(
        Link(traceID: traceID, spanID: spanID, traceState: state, attributes: try Attribute.decode(&reader)))
    }
    return (events, links)
  }

  private static func count(_ reader: inout ByteReader) throws(MalformedBytes) -> UInt64 {
    let count = try reader.readVarint()
    guard count <= UInt64(reader.remaining) else { throw .truncated }
    return count
  }
}
