/// A JSON value.
///
/// Numbers stay text until they are asked for, so that 64-bit nanoseconds lose nothing.
enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  struct Malformed: Error, Equatable, CustomStringConvertible {
    let offset: Int
    var description: String { "not JSON at byte \(offset)" }
  }

  /// Throws ``Malformed`` for what is not JSON (RFC 8259), or is nested deeper than 64.
  init(parsing bytes: [UInt8]) throws(Malformed) {
    var parser = JSONParser(bytes)
    self = try parser.document()
  }

  subscript(_ key: String) -> JSON? {
    if case .object(let members) = self { members[key] } else { nil }
  }

  var array: [JSON] {
    if case .array(let elements) = self { elements } else { [] }
  }

  var object: [String: JSON] {
    if case .object(let members) = self { members } else { [:] }
  }

  var string: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// A number, or a string that holds one.
  var double: Double? {
    switch self {
    case .number(let text): Double(text)
    case .string(let text): PrometheusNumber.value(text)
    default: nil
    }
  }

  /// A whole number, or a string that holds one.
  var integer: Int64? {
    switch self {
    case .number(let text), .string(let text): Int64(text)
    default: nil
    }
  }

  /// For a screen: strings as they are, the rest as JSON.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let text), .string(let text): text
    case .array(let elements): "[" + elements.map(\.text).joined(separator: ", ") + "]"
    case .object(let members):
      "{" + members.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.text)" }.joined(separator: ", ") + "}"
    }
  }
}

private struct JSONParser {
  private let bytes: [UInt8]
  private var position = 0
  private static let deepest = 64

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  mutating func document() throws(JSON.Malformed) -> JSON {
    let value = try value(depth: 0)
    skipSpace()
    if position < bytes.count { throw failure }
    return value
  }

  private var failure: JSON.Malformed { JSON.Malformed(offset: position) }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func expect(_ text: StaticString, _ value: JSON) throws(JSON.Malformed) -> JSON {
    for byte in String(describing: text).utf8 {
      guard next == byte else { throw failure }
      position += 1
    }
    return value
  }

  private mutating func value(depth: Int) throws(JSON.Malformed) -> JSON {
    guard depth <= Self.deepest else { throw failure }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try expect("true", .bool(true))
    case UInt8(ascii: "f"): return try expect("false", .bool(false))
    case UInt8(ascii: "n"): return try expect("null", .null)
    default: return try number()
    }
  }

  private mutating func object(_ depth: Int) throws(JSON.Malformed) -> JSON {
    var members: [String: JSON] = [:]
    position += 1
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw failure }
      let key = try string()
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw failure }
      members[key] = try value(depth: depth + 1)
      skipSpace()
      if take(UInt8(ascii: "}")) { return .object(members) }
      guard take(UInt8(ascii: ",")) else { throw failure }
    }
  }

  private mutating func array(_ depth: Int) throws(JSON.Malformed) -> JSON {
    var elements: [JSON] = []
    position += 1
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      elements.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return .array(elements) }
      guard take(UInt8(ascii: ",")) else { throw failure }
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func number() throws(JSON.Malformed) -> JSON {
    let start = position
    while let byte = next,
      (0x30...0x39).contains(byte) || byte == 0x2D || byte == 0x2B || byte == 0x2E || byte | 0x20 == 0x65
    {
      position += 1
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard text.first != "+", text.first != ".", Double(text) != nil else { throw failure }
    return .number(text)
  }

  private mutating func string() throws(JSON.Malformed) -> String {
    position += 1
    var out: [UInt8] = []
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: out, as: UTF8.self)
      case UInt8(ascii: "\\"): try escape(&out)
      case 0..<0x20: throw failure
      default: out.append(byte)
      }
    }
    throw failure
  }

  private mutating func escape(_ out: inout [UInt8]) throws(JSON.Malformed) {
    guard let byte = next else { throw failure }
    position += 1
    switch byte {
    case UInt8(ascii: "n"): out.append(0x0A)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "r"): out.append(0x0D)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0C)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "u"): out += try unicode()
    default: throw failure
    }
  }

  /// The scalar of `\uXXXX`, or of a pair of surrogates; half a pair is U+FFFD.
  private mutating func unicode() throws(JSON.Malformed) -> [UInt8] {
    let first = try hexadecimal()
    var value = first
    if (0xD800...0xDBFF).contains(first), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
      bytes[position + 1] == UInt8(ascii: "u")
    {
      let mark = position
      position += 2
      let second = try hexadecimal()
      if (0xDC00...0xDFFF).contains(second) {
        value = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
      } else {
        position = mark
      }
    }
    return Array(String(Character(Unicode.Scalar(value) ?? "\u{FFFD}")).utf8)
  }

  private mutating func hexadecimal() throws(JSON.Malformed) -> UInt32 {
    guard bytes.count - position >= 4 else { throw failure }
    var value: UInt32 = 0
    for byte in bytes[position..<position + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw failure }
      value = value << 4 | UInt32(digit)
    }
    position += 4
    return value
  }
}
