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
    encoded.withUTF8 { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let pair = rest.prefix { $0 != UInt8(ascii: "&") }
        rest = rest[pair.endIndex...].dropFirst()
        guard !pair.isEmpty else { continue }
        let name = pair.prefix { $0 != UInt8(ascii: "=") }
        pairs.append((Self.decoded(name), Self.decoded(pair[name.endIndex...].dropFirst())))
      }
    }
  }

  /// The first value of a parameter that is not empty.
  subscript(name: String) -> String? {
    pairs.first { $0.name == name && !$0.value.isEmpty }?.value
  }

  /// All values of a parameter.
  func all(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

  /// Undoes percent-encoding; `+` is a space where `plusIsSpace`, and what is not UTF-8 becomes U+FFFD.
  static func decoded(_ text: some Sequence<UInt8>, plusIsSpace: Bool = true) -> String {
    String(decoding: decodedBytes(text, plusIsSpace: plusIsSpace), as: UTF8.self)
  }

  /// A part of a path without its percent-encoding; nil where that is not UTF-8.
  static func validated(_ text: some Sequence<UInt8>) -> String? {
    String(validating: decodedBytes(text, plusIsSpace: false), as: UTF8.self)
  }

  private static func decodedBytes(_ text: some Sequence<UInt8>, plusIsSpace: Bool) -> [UInt8] {
    let bytes = Array(text)
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = nibble(bytes[index + 1]),
        let low = nibble(bytes[index + 2])
      {
        result.append(high << 4 | low)
        index += 3
        continue
      }
      result.append(bytes[index] == UInt8(ascii: "+") && plusIsSpace ? UInt8(ascii: " ") : bytes[index])
      index += 1
    }
    return result
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
