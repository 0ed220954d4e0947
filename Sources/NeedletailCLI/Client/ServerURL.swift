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
      !trimmed.contains("#")
    else { throw ValidationError("'\(text)' is not the address of a server; write it as http://127.0.0.1:7070") }
    self.text = String(trimmed)
  }
}
