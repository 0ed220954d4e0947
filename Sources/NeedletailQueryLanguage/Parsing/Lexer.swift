// The lexer turns the whole text into tokens at once: queries are at most 128 KiB, and the parser wants to look ahead.
// It works on bytes. The one bit of context that it needs is whether it stands inside `[...]`, where a colon separates
// a range from a resolution, and outside of which a colon is part of a metric's name.

/// Splits a query into tokens.
package struct Lexer {
  let text: String
  let bytes: [UInt8]
  var position = 0
  var brackets = 0

  /// A lexer over a text.
  package init(_ text: String) {
    self.text = text
    self.bytes = Array(text.utf8)
  }

  /// All tokens, the last one being `.end`.
  ///
  /// O(length).
  package mutating func tokens() throws(SyntaxError) -> [Token] {
    var result: [Token] = []
    while true {
      let token = try next()
      result.append(token)
      if token.kind == .end { return result }
    }
  }

  func byte(at index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }

  func failure(_ message: String, from start: Int, to end: Int) -> SyntaxError {
    SyntaxError(message, span: SourceSpan(start: start, end: min(end, bytes.count)), text: text)
  }

  private mutating func skipBlanks() {
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): position += 1
      case UInt8(ascii: "#"):
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
      default: return
      }
    }
  }

  mutating func next() throws(SyntaxError) -> Token {
    skipBlanks()
    let start = position
    guard start < bytes.count else { return Token(kind: .end, span: SourceSpan(start: start, end: start)) }
    let byte = bytes[start]
    if byte.isDigit || (byte == UInt8(ascii: ".") && self.byte(at: start + 1).isDigit) { return try number() }
    if byte.isIdentifierStart || (byte == UInt8(ascii: ":") && brackets == 0) { return identifier() }
    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "`") { return try string() }
    guard let (kind, length) = symbol(byte, self.byte(at: start + 1)) else {
      var end = start + 1
      while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
      let found = String(decoding: bytes[start..<end], as: UTF8.self)
      throw failure("unexpected character \"\(found)\"", from: start, to: end)
    }
    position += length
    if kind == .leftBracket { brackets += 1 }
    if kind == .rightBracket { brackets = max(0, brackets - 1) }
    return Token(kind: kind, span: SourceSpan(start: start, end: position))
  }

  private func symbol(_ first: UInt8, _ second: UInt8) -> (TokenKind, Int)? {
    let equals = second == UInt8(ascii: "=")
    let tilde = second == UInt8(ascii: "~")
    let slash = second == UInt8(ascii: "/")
    switch first {
    case UInt8(ascii: "("): return (.leftParenthesis, 1)
    case UInt8(ascii: ")"): return (.rightParenthesis, 1)
    case UInt8(ascii: "{"): return (.leftBrace, 1)
    case UInt8(ascii: "}"): return (.rightBrace, 1)
    case UInt8(ascii: "["): return (.leftBracket, 1)
    case UInt8(ascii: "]"): return (.rightBracket, 1)
    case UInt8(ascii: ","): return (.comma, 1)
    case UInt8(ascii: ":"): return (.colon, 1)
    case UInt8(ascii: "@"): return (.at, 1)
    case UInt8(ascii: "+"): return (.plus, 1)
    case UInt8(ascii: "-"): return (.minus, 1)
    case UInt8(ascii: "*"): return (.star, 1)
    case UInt8(ascii: "/"): return (.slash, 1)
    case UInt8(ascii: "%"): return (.percent, 1)
    case UInt8(ascii: "^"): return (.caret, 1)
    case UInt8(ascii: "="): return equals ? (.equal, 2) : tilde ? (.matches, 2) : (.assign, 1)
    case UInt8(ascii: "!"): return equals ? (.notEqual, 2) : tilde ? (.notMatches, 2) : nil
    case UInt8(ascii: "<"): return equals ? (.lessOrEqual, 2) : slash ? (.trimUpper, 2) : (.less, 1)
    case UInt8(ascii: ">"): return equals ? (.greaterOrEqual, 2) : slash ? (.trimLower, 2) : (.greater, 1)
    case UInt8(ascii: "|"): return equals ? (.pipeEqual, 2) : tilde ? (.pipeMatches, 2) : (.pipe, 1)
    default: return nil
    }
  }

  private mutating func identifier() -> Token {
    let start = position
    while position < bytes.count {
      let byte = bytes[position]
      guard byte.isIdentifierPart || (byte == UInt8(ascii: ":") && brackets == 0) else { break }
      position += 1
    }
    let name = String(decoding: bytes[start..<position], as: UTF8.self)
    let span = SourceSpan(start: start, end: position)
    switch name.lowercased() {
    case "inf": return Token(kind: .number, span: span, text: name, value: .infinity)
    case "nan": return Token(kind: .number, span: span, text: name, value: .nan)
    default: return Token(kind: .identifier, span: span, text: name)
    }
  }
}

extension UInt8 {
  var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

  var isIdentifierStart: Bool {
    let lower = self | 0x20
    return self == UInt8(ascii: "_") || (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z"))
  }

  var isIdentifierPart: Bool { isIdentifierStart || isDigit }

  /// The value of a hexadecimal digit.
  var hexDigit: UInt8? {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
