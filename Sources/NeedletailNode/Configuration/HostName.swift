import Foundation

/// Names of hosts, as the system resolves them.
enum HostName {
  /// Why a host has no address, in the system's words; nil where it has one.
  ///
  /// Blocks for as long as the system asks others.
  static func problem(_ host: String) -> String? {
    var found: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, nil, nil, &found)
    if let found { freeaddrinfo(found) }
    return code == 0 ? nil : String(cString: gai_strerror(code))
  }
}
