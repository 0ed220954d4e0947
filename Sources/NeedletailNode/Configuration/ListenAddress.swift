/// Where a server listens: a host and a port; port 0 asks the system for a free one.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
  /// A host name, or an address without brackets.
  package var host: String
  /// 0 to 65,535.
  package var port: Int

  /// An address of these parts.
  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// Reads `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (all interfaces); nil for anything else.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
      guard host.contains(":") else { return nil }
    } else if host.contains(":") {
      return nil
    }
    guard host.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else { return nil }
    self.host = host.isEmpty ? "0.0.0.0" : String(host)
    self.port = Int(port)
  }

  /// What a text that is no address has wrong with its port, to stand before what to write; else nothing.
  static func advice(for text: String) -> String {
    let digits = text.split(separator: ":", omittingEmptySubsequences: false).last ?? ""
    guard text.contains(":"), !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      UInt16(digits) == nil
    else { return "" }
    return "the port is larger than 65535; "
  }

  /// Whether only this machine can reach it.
  package var isLoopback: Bool {
    if host == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  /// Whether it stands for all addresses of the machine, none of which it names.
  package var isEveryInterface: Bool { host == "0.0.0.0" || host == "::" }

  /// `HOST:PORT`, with brackets around an IPv6 address.
  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
