import ArgumentParser

/// The address of a server: `http` or `https`, host, port and an optional path before the API's own.
struct ServerURL: Equatable {
  let text: String

  /// Throws a `ValidationError` for anything that is not such an address.
  init(_ text: String) throws {
    var trimmed = text[...]
    while trimmed.last == "/" { trimmed.removeLast() }
    let scheme = ["http://", "https://"].first { trimmed.hasPrefix($0) }
    guard let scheme, trimmed.utf8.count > scheme.utf8.count,
      trimmed.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !trimmed.contains("@"), !trimmed.contains("?"),
      !trimmed.contains("#"), Self.isPlace(trimmed.dropFirst(scheme.count).prefix { $0 != "/" })
    else { throw ValidationError("'\(text)' is not the address of a server; write it as http://127.0.0.1:7070") }
    self.text = String(trimmed)
  }

  /// Whether a text is a host, and a port where there is one: with a port that there is none of the HTTP client ends the
  /// process.
  private static func isPlace(_ text: Substring) -> Bool {
    let colon = text.lastIndex(of: ":").flatMap { text[$0...].contains("]") ? nil : $0 }
    let host = text[..<(colon ?? text.endIndex)]
    guard !host.isEmpty, (host.first == "[") == (host.last == "]"), host.first == "[" || !host.contains(":") else {
      return false
    }
    guard let colon else { return true }
    let digits = text[text.index(after: colon)...]
    return digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
      && Int(digits).map { (1...65_535).contains($0) } ?? false
  }
}
