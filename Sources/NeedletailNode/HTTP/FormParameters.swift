/// The parameters of a request: those of the address and, for a posted form, those of the body, in this order.
struct FormParameters: Sendable {
  private var pairs: [(name: String, value: String)] = []

  /// No parameters.
  init() {}

  /// Adds what a query string or a form holds.
  ///
  /// What is not UTF-8 becomes U+FFFD.
  mutating func add(_ encoded: some StringProtocol) {
    var encoded = String(encoded)
    encoded.withUTF8 { add($0, 0..<$0.count) }
  }

  /// Adds what the query string of an address holds, if it has one.
  mutating func add(queryOf address: String) {
    var address = address
    address.withUTF8 { bytes in
      let mark = Self.position(of: UInt8(ascii: "?"), in: bytes, 0..<bytes.count)
      guard mark < bytes.count else { return }
      let end = Self.position(of: UInt8(ascii: "#"), in: bytes, mark + 1..<bytes.count)
      add(bytes, mark + 1..<end)
    }
  }

  private mutating func add(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = Self.position(of: UInt8(ascii: "&"), in: bytes, start..<range.upperBound)
      if start < end {
        let middle = Self.position(of: UInt8(ascii: "="), in: bytes, start..<end)
        let value = UnsafeBufferPointer(rebasing: bytes[min(middle + 1, end)..<end])
        pairs.append((Self.decoded(UnsafeBufferPointer(rebasing: bytes[start..<middle])), Self.decoded(value)))
      }
      start = end + 1
    }
  }

  /// Where a byte is first; the end of the range where it is not.
  private static func position(of byte: UInt8, in bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int {
    var index = range.lowerBound
    while index < range.upperBound, bytes[index] != byte { index += 1 }
    return index
  }

  /// The first value of a parameter that is not empty.
  subscript(name: String) -> String? {
    pairs.first { $0.name == name && !$0.value.isEmpty }?.value
  }

  /// All values of a parameter.
  func all(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

  /// Undoes percent-encoding; `+` is a space where `plusIsSpace`, and what is not UTF-8 becomes U+FFFD.
  static func decoded(_ text: some Sequence<UInt8>, plusIsSpace: Bool = true) -> String {
    Array(text).withUnsafeBufferPointer { decoded($0, plusIsSpace: plusIsSpace) }
  }

  private static func decoded(_ text: UnsafeBufferPointer<UInt8>, plusIsSpace: Bool = true) -> String {
    String(unsafeUninitializedCapacity: text.count) { decode(text, into: $0, plusIsSpace: plusIsSpace) }
  }

  /// A part of a path without its percent-encoding; nil where that is not UTF-8.
  static func validated(_ text: some Sequence<UInt8>) -> String? {
    let text = Array(text)
    let bytes = [UInt8](unsafeUninitializedCapacity: text.count) { target, count in
      count = text.withUnsafeBufferPointer { decode($0, into: target, plusIsSpace: false) }
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// Writes a text without its percent-encoding, which is never longer; returns how many bytes it is.
  private static func decode(
    _ text: UnsafeBufferPointer<UInt8>, into target: UnsafeMutableBufferPointer<UInt8>, plusIsSpace: Bool
  ) -> Int {
    var (index, count) = (0, 0)
    while index < text.count {
      var byte = text[index]
      if byte == UInt8(ascii: "%"), index + 2 < text.count, let high = nibble(text[index + 1]),
        let low = nibble(text[index + 2])
      {
        byte = high << 4 | low
        index += 2
      } else if byte == UInt8(ascii: "+"), plusIsSpace {
        byte = UInt8(ascii: " ")
      }
      target.initializeElement(at: count, to: byte)
      (index, count) = (index + 1, count + 1)
    }
    return count
  }

  private static func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x41...0x46: digit - 0x37
    case 0x61...0x66: digit - 0x57
    default: nil
    }
  }
}
