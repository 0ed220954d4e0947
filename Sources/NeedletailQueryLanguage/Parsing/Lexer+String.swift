// Strings: double and single quotes with Go's escapes, backquotes without any.

extension Lexer {
  /// Reads a string of any of the three quotes.
  mutating func string() throws(SyntaxError) -> Token {
    let start = position
    let quote = bytes[start]
    position += 1
    var content: [UInt8] = []
    while true {
      guard position < bytes.count else { throw failure("unterminated string", from: start, to: bytes.count) }
      let byte = bytes[position]
      if byte == quote {
        position += 1
        break
      }
      if quote != UInt8(ascii: "`") {
        if byte == UInt8(ascii: "\n") { throw failure("unterminated string", from: start, to: position) }
        if byte == UInt8(ascii: "\\") {
          try escape(quote: quote, into: &content)
          continue
        }
      }
      content.append(byte)
      position += 1
    }
    guard let text = String(validating: content, as: UTF8.self) else {
      throw failure("string is not valid UTF-8", from: start, to: position)
    }
    return Token(kind: .string, span: SourceSpan(start: start, end: position), text: text)
  }

  private mutating func escape(quote: UInt8, into content: inout [UInt8]) throws(SyntaxError) {
    let start = position
    let kind = byte(at: position + 1)
    position += 2
    switch kind {
    case UInt8(ascii: "a"): content.append(7)
    case UInt8(ascii: "b"): content.append(8)
    case UInt8(ascii: "f"): content.append(12)
    case UInt8(ascii: "n"): content.append(10)
    case UInt8(ascii: "r"): content.append(13)
    case UInt8(ascii: "t"): content.append(9)
    case UInt8(ascii: "v"): content.append(11)
    case UInt8(ascii: "\\"): content.append(kind)
    case quote: content.append(kind)
    case UInt8(ascii: "x"): content.append(UInt8(truncatingIfNeeded: try digits(2, radix: 16, escapeAt: start)))
    case UInt8(ascii: "u"), UInt8(ascii: "U"):
      let value = try digits(kind == UInt8(ascii: "u") ? 4 : 8, radix: 16, escapeAt: start)
      guard let scalar = Unicode.Scalar(value) else {
        throw failure("escape is not a Unicode scalar", from: start, to: position)
      }
      content.append(contentsOf: String(Character(scalar)).utf8)
    case UInt8(ascii: "0")...UInt8(ascii: "7"):
      position -= 1
      let value = try digits(3, radix: 8, escapeAt: start)
      guard let byte = UInt8(exactly: value) else { throw failure("octal escape above 255", from: start, to: position) }
      content.append(byte)
    default: throw failure("unknown escape sequence", from: start, to: start + 2)
    }
  }

  private mutating func digits(_ count: Int, radix: UInt32, escapeAt start: Int) throws(SyntaxError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard position < bytes.count, let digit = bytes[position].hexDigit, UInt32(digit) < radix else {
        throw failure("escape needs \(count) digits", from: start, to: position + 1)
      }
      value = value &* radix &+ UInt32(digit)
      position += 1
    }
    return value
  }
}
