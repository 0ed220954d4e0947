// The `traceparent` and `tracestate` headers of https://www.w3.org/TR/trace-context/ (level 2).

/// Writes and reads W3C trace context headers.
enum TraceParent {
  /// The `traceparent` of a span: version 00.
  static func write(_ context: Needletail.SpanContext) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(55)
    bytes.append(contentsOf: "00-".utf8)
    Hexadecimal.append(context.traceIDHigh, to: &bytes)
    Hexadecimal.append(context.traceIDLow, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    Hexadecimal.append(context.spanID, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    bytes.append(Hexadecimal.digit(context.flags >> 4))
    bytes.append(Hexadecimal.digit(context.flags & 15))
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The span that headers name; nil when `traceparent` is not one, as the specification defines it.
  ///
  /// A later version is read as far as version 00 goes. A `tracestate` that is not one is left out.
  static func read(_ header: String, traceState: String?) -> Needletail.SpanContext? {
    let bytes = Array(header.utf8.prefix(512))
    let dash = UInt8(ascii: "-")
    guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
      let version = Hexadecimal.number(bytes[0..<2]), version != 0xff,
      version == 0 ? bytes.count == 55 : (bytes.count == 55 || bytes[55] == dash),
      let high = Hexadecimal.number(bytes[3..<19]), let low = Hexadecimal.number(bytes[19..<35]), high | low != 0,
      let span = Hexadecimal.number(bytes[36..<52]), span != 0,
      let flags = Hexadecimal.number(bytes[53..<55])
    else { return nil }
    let state = traceState.flatMap { isTraceState($0) ? $0 : nil } ?? ""
    // Of the flags, only "sampled" and "random trace id" are known: others must not be passed on.
    return Needletail.SpanContext(
      traceIDHigh: high, traceIDLow: low, spanID: span, flags: UInt8(truncatingIfNeeded: flags) & 3, traceState: state,
      isRemote: true)
  }

  /// Whether a `tracestate` is short enough to carry along and safe to put into a header again.
  private static func isTraceState(_ text: String) -> Bool {
    text.utf8.count <= 512 && text.utf8.allSatisfy { (0x20...0x7e).contains($0) }
  }
}
