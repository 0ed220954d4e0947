/// How a member reaches the etcd that keeps membership and decisions of its cluster.
package struct EtcdSettings: Hashable, Sendable {
  /// A member of the etcd cluster.
  package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    static let standardPort = 2379

    var isTLS: Bool
    var address: ListenAddress

    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`; nil for anything else, also with a user, a path or a query.
    init?(_ text: String) {
      let schemes = ["http://", "https://"]
      guard let scheme = schemes.first(where: { text.hasPrefix($0) }) else { return nil }
      var rest = text.dropFirst(scheme.utf8.count)
      if rest.hasSuffix("/") { rest = rest.dropLast() }
      guard !rest.isEmpty, rest.utf8.count <= 255, !rest.contains(where: { "/?#@%\\\"".contains($0) }) else {
        return nil
      }
      // Behind a bracket an IPv6 address ends.
      let hasPort = rest.split(separator: "]", omittingEmptySubsequences: false).last?.contains(":") ?? false
      guard let address = ListenAddress(hasPort ? String(rest) : "\(rest):\(Self.standardPort)"), address.port > 0,
        !address.isEveryInterface
      else { return nil }
      isTLS = scheme == "https://"
      self.address = address
    }

    package var description: String { (isTLS ? "https://" : "http://") + address.description }
  }

  static let endpointsMax = 16
  static let prefixBytesMax = 200

  /// None: the node uses no etcd.
  var endpoints: [Endpoint] = []
  /// What stands before all keys; begins and ends with a slash.
  var prefix = "/needletail/"
  /// PEM file of the authorities that etcd's certificate is checked against; nil for the system's.
  var authorities: String?
  /// PEM files of the certificate that is shown to etcd, and its key.
  var certificate: String?
  var key: String?
  /// Who the node is to etcd; nil where etcd asks nobody.
  var user: String?
  /// The file with the user's password.
  var passwordFile: String?

  /// As `ServerConfiguration.set`, for the settings of etcd.
  mutating func set(_ setting: Setting, to text: String) -> String? {
    switch setting {
    case .etcd: return setEndpoints(text)
    case .etcdPrefix: return setPrefix(text)
    case .etcdCA: authorities = text.isEmpty ? nil : text
    case .etcdCertificate: certificate = text.isEmpty ? nil : text
    case .etcdKey: key = text.isEmpty ? nil : text
    case .etcdUser:
      guard text.utf8.count <= 256, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
        return "write the name of a user of etcd, without spaces"
      }
      user = text.isEmpty ? nil : text
    case .etcdPasswordFile: passwordFile = text.isEmpty ? nil : text
    default: break
    }
    return nil
  }

  private mutating func setEndpoints(_ text: String) -> String? {
    endpoints = []
    guard !text.isEmpty else { return nil }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count <= Self.endpointsMax else { return "write \(Self.endpointsMax) URLs at most" }
    for part in parts {
      let part = part.drop { $0 == " " }
      guard let endpoint = Endpoint(String(part)) else {
        let hint = part.contains("@") ? "the user goes into etcd-user and the password into etcd-password-file; " : ""
        // What stands before the host is a secret.
        let shown = part.split(separator: "@").last.map { part.contains("@") ? "...@\($0)" : "\(part)" } ?? ""
        return hint
          + "\"\(shown)\" is no URL of an etcd; write http://HOST:PORT or https://HOST:PORT, several separated by "
          + "commas, for example http://10.0.0.1:2379,http://10.0.0.2:2379"
      }
      if !endpoints.contains(endpoint) { endpoints.append(endpoint) }
    }
    return nil
  }

  private mutating func setPrefix(_ text: String) -> String? {
    let isFit =
      text.utf8.count <= Self.prefixBytesMax && text.utf8.count > 1 && text.hasPrefix("/") && text.hasSuffix("/")
      && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    guard isFit else {
      return
        "write what stands before all keys of the cluster: printable ASCII that begins and ends with /, for example "
        + "/needletail/"
    }
    prefix = text
    return nil
  }

  /// As `ServerConfiguration.text(of:)`, for the settings of etcd.
  func text(of setting: Setting) -> String {
    switch setting {
    case .etcd: endpoints.map(\.description).joined(separator: ",")
    case .etcdPrefix: prefix
    case .etcdCA: authorities ?? ""
    case .etcdCertificate: certificate ?? ""
    case .etcdKey: key ?? ""
    case .etcdUser: user ?? ""
    case .etcdPasswordFile: passwordFile ?? ""
    default: ""
    }
  }

  static let settings: [Setting] = [
    .etcd, .etcdPrefix, .etcdCA, .etcdCertificate, .etcdKey, .etcdUser, .etcdPasswordFile,
  ]
}

extension ServerConfiguration {
  /// What does not fit together in the settings of etcd.
  func etcdContradictions() -> [String] {
    guard !etcd.endpoints.isEmpty else {
      return EtcdSettings.settings.filter { text(of: $0) != $0.defaultValue }.map { setting in
        "\(setting.rawValue) is set (\(origin(of: setting))) but etcd is not: give --etcd http://HOST:PORT, or leave "
          + "\(setting.rawValue) out"
      }
    }
    var problems: [String] = []
    let pairs: [(Setting, Setting)] = [(.etcdCertificate, .etcdKey), (.etcdUser, .etcdPasswordFile)]
    for (one, other) in pairs where text(of: one).isEmpty != text(of: other).isEmpty {
      let (present, missing) = text(of: one).isEmpty ? (other, one) : (one, other)
      problems.append(
        "\(present.rawValue) is set (\(origin(of: present))) but \(missing.rawValue) is not; they go together")
    }
    let plain = etcd.endpoints.filter { !$0.isTLS }
    for setting in [Setting.etcdCA, .etcdCertificate] where !text(of: setting).isEmpty && !plain.isEmpty {
      problems.append(
        "\(setting.rawValue) is set (\(origin(of: setting))) but \(plain[0]) speaks no TLS: write https:// in etcd, or leave "
          + "\(setting.rawValue) out")
    }
    if etcd.user != nil, !isInsecure, let open = plain.first(where: { !$0.address.isLoopback }) {
      problems.append(
        "etcd-user is set (\(origin(of: .etcdUser))) and \(open) would be sent the password in clear: write https:// in etcd, "
          + "or accept the risk with --insecure")
    }
    return problems
  }
}
