/// Percent-encoding of UTF-8 (RFC 3986, section 2.1), as W3C baggage and the OTEL_ variables use it.
enum PercentEncoding {
  /// The text behind an encoded one; nil when an escape is cut short or the bytes are not UTF-8.
  static func decode(_ text: String) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
    var bytes: [UInt8] = []
    var rest = text.utf8.makeIterator()
    while let byte = rest.next() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.next().flatMap(Hexadecimal.value), let low = rest.next().flatMap(Hexadecimal.value) else {
        return nil
      }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// Text in which every byte that baggage values cannot hold, and the percent sign, is escaped.
  static func encode(_ text: String) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      // baggage-octet of W3C Baggage: printable ASCII without space, quote, comma, semicolon and backslash.
      switch byte {
      case 0x21, 0x23...0x24, 0x26...0x2B, 0x2D...0x3A, 0x3C...0x5B, 0x5D...0x7E: bytes.append(byte)
      default:
        bytes += [
          UInt8(ascii: "%"), Hexadecimal.digit(byte >> 4, upper: true), Hexadecimal.digit(byte & 15, upper: true),
        ]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension String {
  /// The text without spaces and tabs at its ends.
  var trimmingSpaces: String {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else {
      return ""
    }
    return String(self[first...last])
  }

  /// The text, cut before the first character of Unicode that ends beyond a number of UTF-8 bytes.
  func truncated(toBytes limit: Int) -> String {
    guard utf8.count > limit else { return self }
    var end = utf8.index(startIndex, offsetBy: limit)
    while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
    return String(unicodeScalars[..<end])
  }
}
