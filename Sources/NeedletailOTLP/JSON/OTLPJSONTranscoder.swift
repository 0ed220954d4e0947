// Turns OTLP/JSON into OTLP/protobuf, so that only one decoder has to be right. The cost (about one more pass over
// the bytes) is paid only by senders that chose the slower form.

/// Which export request a body holds.
package enum OTLPSignal: Sendable, CaseIterable {
  case metrics
  case traces
  case logs

  var request: OTLPMessage {
    switch self {
    case .metrics: .exportMetricsServiceRequest
    case .traces: .exportTraceServiceRequest
    case .logs: .exportLogsServiceRequest
    }
  }
}

/// Reads an export request in JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding) and writes it
/// in protobuf.
///
/// Names are lowerCamelCase, 64-bit integers numbers or strings, identifiers hexadecimal of any case, bytes base64,
/// enumerations numbers; unknown fields are ignored, `null` is a field that was not sent.
package struct OTLPJSONTranscoder {
  private var parser: JSONPullParser
  private var scratch: [UInt8] = []

  private init(_ bytes: UnsafeRawBufferPointer) { parser = JSONPullParser(bytes) }

  /// The request of `signal` in `json`, as protobuf.
  package static func protobuf(_ json: UnsafeRawBufferPointer, signal: OTLPSignal) throws(JSONError) -> [UInt8] {
    var transcoder = OTLPJSONTranscoder(json)
    var writer = ProtobufWriter(capacity: json.count / 2)
    try transcoder.message(signal.request, to: &writer)
    try transcoder.parser.finish()
    return writer.bytes
  }

  private mutating func message(_ message: OTLPMessage, to writer: inout ProtobufWriter) throws(JSONError) {
    try parser.enterObject()
    let fields = message.fields
    var isFirst = true
    while try parser.nextKey(isFirst: isFirst, into: &scratch) {
      isFirst = false
      guard let field = fields.first(where: { matches($0.name) }) else {
        try parser.skipValue(scratch: &scratch)
        continue
      }
      if try parser.takeNull() { continue }
      guard field.isRepeated else {
        try value(of: field, to: &writer)
        continue
      }
      try parser.enterArray()
      var isFirstElement = true
      while try parser.nextElement(isFirst: isFirstElement) {
        try value(of: field, to: &writer)
        isFirstElement = false
      }
    }
  }

  private func matches(_ name: StaticString) -> Bool {
    name.utf8CodeUnitCount == scratch.count && name.withUTF8Buffer { $0.elementsEqual(scratch) }
  }

  private mutating func value(of field: JSONField, to writer: inout ProtobufWriter) throws(JSONError) {
    let number = field.number
    switch field.kind {
    case .message(let inner): try nested(inner, number, to: &writer)
    case .string:
      try parser.readString(into: &scratch)
      writer.field(number, bytes: scratch)
    case .bytes:
      try parser.readString(into: &scratch)
      guard let bytes = base64(scratch) else { throw parser.failure("bytes are not base64") }
      writer.field(number, bytes: bytes)
    case .identifier:
      try parser.readString(into: &scratch)
      guard let bytes = hexadecimal(scratch) else { throw parser.failure("an id is not hexadecimal") }
      writer.field(number, bytes: bytes)
    case .bool: writer.field(number, bool: try parser.readBool())
    case .varint32:
      let value = try integer()
      guard value >= Int64(Int32.min), value <= Int64(UInt32.max) else { throw parser.failure("number out of range") }
      writer.field(number, int64: value)
    case .zigzag32:
      guard let value = Int32(exactly: try integer()) else { throw parser.failure("number out of range") }
      writer.field(number, zigzag: Int64(value))
    case .int64: writer.field(number, int64: try integer())
    case .uint64: writer.field(number, varint: try unsigned())
    case .fixed64: writer.field(number, fixed64: try unsigned())
    case .sfixed64: writer.field(number, fixed64: UInt64(bitPattern: try integer()))
    case .fixed32:
      guard let value = UInt32(exactly: try unsigned()) else { throw parser.failure("number out of range") }
      writer.field(number, fixed32: value)
    case .double: writer.field(number, double: try double())
    }
  }

  private mutating func nested(
    _ inner: OTLPMessage, _ number: UInt32, to writer: inout ProtobufWriter
  ) throws(JSONError) {
    // An element `null` of a list of messages is an empty message.
    if try parser.takeNull() {
      writer.field(number, bytes: [])
      return
    }
    var failure: JSONError?
    writer.field(number) { writer in
      do throws(JSONError) { try message(inner, to: &writer) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  // MARK: Numbers

  private mutating func readNumeric() throws(JSONError) {
    if try parser.peek() == UInt8(ascii: "\"") {
      try parser.readString(into: &scratch)
    } else {
      try parser.readNumber(into: &scratch)
    }
  }

  private mutating func integer() throws(JSONError) -> Int64 {
    try readNumeric()
    let text = String(decoding: scratch, as: UTF8.self)
    if let value = Int64(text) { return value }
    if let value = Double(text), let exact = Int64(exactly: value) { return exact }
    throw parser.failure("expected a 64-bit integer")
  }

  private mutating func unsigned() throws(JSONError) -> UInt64 {
    try readNumeric()
    let text = String(decoding: scratch, as: UTF8.self)
    if let value = UInt64(text) { return value }
    if let value = Double(text), let exact = UInt64(exactly: value) { return exact }
    throw parser.failure("expected an unsigned 64-bit integer")
  }

  private mutating func double() throws(JSONError) -> Double {
    try readNumeric()
    switch String(decoding: scratch, as: UTF8.self) {
    case "NaN": return .nan
    case "Infinity": return .infinity
    case "-Infinity": return -.infinity
    case let text:
      guard let first = scratch.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
        let value = Double(text), value.isFinite
      else { throw parser.failure("expected a number") }
      return value
    }
  }
}

/// The bytes that pairs of hexadecimal digits of any case stand for.
private func hexadecimal(_ text: [UInt8]) -> [UInt8]? {
  guard text.count.isMultiple(of: 2) else { return nil }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(text.count / 2)
  for index in stride(from: 0, to: text.count, by: 2) {
    guard let high = hexadecimalDigit(text[index]), let low = hexadecimalDigit(text[index + 1]) else { return nil }
    bytes.append(high << 4 | low)
  }
  return bytes
}

/// The bytes that base64 of either alphabet stands for, padded or not, as protobuf's JSON form allows.
private func base64(_ text: [UInt8]) -> [UInt8]? {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(text.count / 4 * 3)
  var bits: UInt32 = 0
  var bitCount = 0
  var digits = text[...]
  while digits.last == UInt8(ascii: "=") { digits.removeLast() }
  guard text.count - digits.count <= 2, digits.count % 4 != 1 else { return nil }
  for digit in digits {
    let value: UInt8
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = digit - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): value = digit - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
    default: return nil
    }
    bits = (bits << 6 | UInt32(value)) & 0xffff
    bitCount += 6
    if bitCount >= 8 {
      bitCount -= 8
      bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
    }
  }
  return bytes
}
