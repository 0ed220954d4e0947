// A strict JSON reader (RFC 8259) over bytes, pulled token by token: no tree is built, nothing is allocated but the
// text that a caller asks for, and nesting is bounded.

/// Why a text is not the JSON that it should be, and where.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Bytes from the start of the text.
  package let offset: Int
  package let reason: String

  package init(offset: Int, reason: String) {
    self.offset = offset
    self.reason = reason
  }

  package var description: String { "JSON: \(reason) at byte \(offset)" }
}

/// Reads JSON from front to back.
///
/// Borrows the memory that it was made from.
package struct JSONPullParser {
  /// How deep objects and arrays may nest.
  package static let depthMax = 100

  private let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0
  private(set) var depth = 0

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  package func failure(_ reason: String) -> JSONError { JSONError(offset: offset, reason: reason) }

  /// The first byte of the next token.
  package mutating func peek() throws(JSONError) -> UInt8 {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x09, 0x0a, 0x0d: offset += 1
      default: return bytes[offset]
      }
    }
    throw failure("ends too early")
  }

  private mutating func take(_ byte: UInt8) throws(JSONError) -> Bool {
    guard try peek() == byte else { return false }
    offset += 1
    return true
  }

  private mutating func expect(_ byte: UInt8) throws(JSONError) {
    guard try take(byte) else { throw failure("expected '\(Character(Unicode.Scalar(byte)))'") }
  }

  /// Checks that nothing but white space is left.
  package mutating func finish() throws(JSONError) {
    while offset < bytes.count {
      guard [0x20, 0x09, 0x0a, 0x0d].contains(bytes[offset]) else { throw failure("text after the end") }
      offset += 1
    }
  }

  // MARK: Objects and arrays

  package mutating func enterObject() throws(JSONError) { try enter(UInt8(ascii: "{")) }

  package mutating func enterArray() throws(JSONError) { try enter(UInt8(ascii: "[")) }

  private mutating func enter(_ opening: UInt8) throws(JSONError) {
    guard depth < Self.depthMax else { throw failure("nests too deep") }
    try expect(opening)
    depth += 1
  }

  /// Reads the next key of the object into `key`; false, and the object is left, where there is none.
  package mutating func nextKey(isFirst: Bool, into key: inout [UInt8]) throws(JSONError) -> Bool {
    if try take(UInt8(ascii: "}")) {
      depth -= 1
      return false
    }
    if !isFirst { try expect(UInt8(ascii: ",")) }
    try readString(into: &key)
    try expect(UInt8(ascii: ":"))
    return true
  }

  /// Whether the array has another element; false, and the array is left, where not.
  package mutating func nextElement(isFirst: Bool) throws(JSONError) -> Bool {
    if try take(UInt8(ascii: "]")) {
      depth -= 1
      return false
    }
    if !isFirst { try expect(UInt8(ascii: ",")) }
    return true
  }

  // MARK: Scalars

  /// Passes `null`; false where the next token is another.
  mutating func takeNull() throws(JSONError) -> Bool {
    guard try peek() == UInt8(ascii: "n") else { return false }
    try literal("null")
    return true
  }

  package mutating func readBool() throws(JSONError) -> Bool {
    switch try peek() {
    case UInt8(ascii: "t"):
      try literal("true")
      return true
    case UInt8(ascii: "f"):
      try literal("false")
      return false
    default: throw failure("expected true or false")
    }
  }

  private mutating func literal(_ word: StaticString) throws(JSONError) {
    let matches = word.withUTF8Buffer { word in
      word.count <= bytes.count - offset && word.elementsEqual(bytes[offset..<(offset + word.count)])
    }
    guard matches else { throw failure("unknown word") }
    offset += word.utf8CodeUnitCount
  }

  /// Reads the characters of a number into `text`; whether they make a number is for the caller to find out.
  package mutating func readNumber(into text: inout [UInt8]) throws(JSONError) {
    _ = try peek()
    text.removeAll(keepingCapacity: true)
    while offset < bytes.count {
      let byte = bytes[offset]
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
        UInt8(ascii: "e"), UInt8(ascii: "E"):
        text.append(byte)
        offset += 1
      default:
        guard !text.isEmpty else { throw failure("expected a number") }
        return
      }
    }
    guard !text.isEmpty else { throw failure("expected a number") }
  }

  /// Reads a string into `text`, its escapes resolved; half a surrogate pair becomes U+FFFD.
  package mutating func readString(into text: inout [UInt8]) throws(JSONError) {
    try expect(UInt8(ascii: "\""))
    text.removeAll(keepingCapacity: true)
    while offset < bytes.count {
      let start = offset
      while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\") {
        guard bytes[offset] >= 0x20 else { throw failure("a control character in a string") }
        offset += 1
      }
      text.append(contentsOf: bytes[start..<offset])
      guard offset < bytes.count else { break }
      offset += 1
      if bytes[offset - 1] == UInt8(ascii: "\"") { return }
      try readEscape(into: &text)
    }
    throw failure("a string does not end")
  }

  private mutating func readEscape(into text: inout [UInt8]) throws(JSONError) {
    guard offset < bytes.count else { throw failure("a string does not end") }
    let byte = bytes[offset]
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: Array(String(Character(try readUnicodeEscape())).utf8))
    default: throw failure("unknown escape")
    }
  }

  private mutating func readUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
    let replacement: Unicode.Scalar = "\u{fffd}"
    let unit = try readFourDigits()
    guard (0xd800..<0xdc00).contains(unit) else { return Unicode.Scalar(unit) ?? replacement }
    guard bytes.count - offset >= 2, bytes[offset] == UInt8(ascii: "\\"), bytes[offset + 1] == UInt8(ascii: "u") else {
      return replacement
    }
    let mark = offset
    offset += 2
    let low = try readFourDigits()
    guard (0xdc00..<0xe000).contains(low) else {
      offset = mark
      return replacement
    }
    return Unicode.Scalar(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)) ?? replacement
  }

  private mutating func readFourDigits() throws(JSONError) -> UInt32 {
    guard bytes.count - offset >= 4 else { throw failure("an escape is cut") }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = hexadecimalDigit(bytes[offset]) else { throw failure("an escape has no hexadecimal digit") }
      value = value << 4 | UInt32(digit)
      offset += 1
    }
    return value
  }

  /// Passes over a value of any kind.
  package mutating func skipValue(scratch: inout [UInt8]) throws(JSONError) {
    switch try peek() {
    case UInt8(ascii: "{"):
      try enterObject()
      var isFirst = true
      while try nextKey(isFirst: isFirst, into: &scratch) {
        try skipValue(scratch: &scratch)
        isFirst = false
      }
    case UInt8(ascii: "["):
      try enterArray()
      var isFirst = true
      while try nextElement(isFirst: isFirst) {
        try skipValue(scratch: &scratch)
        isFirst = false
      }
    case UInt8(ascii: "\""): try readString(into: &scratch)
    case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try readBool()
    case UInt8(ascii: "n"): _ = try takeNull()
    default: try readNumber(into: &scratch)
    }
  }
}

/// The value of a hexadecimal digit of any case.
func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}
