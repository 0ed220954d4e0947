import NIOSSL

/// Why two nodes come to no TLS with each other, in words that say what to do.
///
/// The library's errors tell it by names of BoringSSL's alone; what they mean stands here once, for both sides.
enum PeerTLSFailure {
  /// A handshake that failed.
  struct Handshake: Sendable {
    var error: any Error
    /// What the other node showed; nil where it came to none.
    var certificate: NIOSSLCertificate?
    /// Where the other node is.
    var address: String
  }

  /// Who tells: the node that called, or the one that was called.
  enum Side: String, Sendable {
    case caller
    case called
  }

  /// What is wrong and what to do; nil where it is neither about TLS nor about certificates. `now` is in seconds since
  /// 1970.
  static func text(_ handshake: Handshake, side: Side, now: Int64) -> String? {
    let error = "\(handshake.error)"
    if error.contains("CERTIFICATE_VERIFY_FAILED") { return unknown(handshake.certificate, side, now) }
    if error.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") {
      return "it showed no certificate, which peer-client-auth here demands: set tls-certificate and tls-key there, "
        + "by an "
        + "authority of peer-ca, or peer-client-auth to off here until all members show one"
    }
    if error.contains("failedToValidateHostname") || error.contains("unableToValidateCertificate") {
      return "its certificate\(named(handshake.certificate)) is for another host: give it one with the name or "
        + "address under "
        + "which others reach it (peer-advertise, or else peer-listen)"
    }
    if error.contains("WRONG_VERSION_NUMBER") || error.contains("HTTP_REQUEST") {
      return "it does not speak TLS: members have tls-certificate and tls-key either all or none"
    }
    return alert(error)
  }

  /// What the other node said when it refused this one.
  private static func alert(_ error: String) -> String? {
    guard error.contains("ALERT") || error.contains("CERTIFICATE_REQUIRED") else { return nil }
    if error.contains("CERTIFICATE_REQUIRED") {
      return "it demands a certificate and was shown none: set tls-certificate and tls-key here, by an authority of "
        + "its peer-ca"
    }
    if error.contains("UNKNOWN_CA") {
      return "it does not know the authority of this node's tls-certificate: take one by an authority of its "
        + "peer-ca, or add "
        + "this one's authority to its peer-ca"
    }
    if error.contains("CERTIFICATE_EXPIRED") {
      return "it says that this node's tls-certificate is not valid at this time: renew it, or set the clocks right, "
        + "and start "
        + "the node again"
    }
    if error.contains("BAD_CERTIFICATE") || error.contains("CERTIFICATE_UNKNOWN")
      || error.contains("UNSUPPORTED_CERTIFICATE") || error.contains("CERTIFICATE_REVOKED")
    {
      return "it does not take this node's tls-certificate: that has to be by an authority of its peer-ca, for this "
        + "host, and "
        + "good for clients and servers where it says what it is good for (extendedKeyUsage clientAuth, serverAuth)"
    }
    return nil
  }

  /// A certificate that was shown and not believed: the library does not say why, but the times stand in it.
  private static func unknown(_ certificate: NIOSSLCertificate?, _ side: Side, _ now: Int64) -> String {
    let named = named(certificate)
    if let certificate, Int64(certificate.notValidAfter) < now {
      return "its certificate\(named) expired on \(date(certificate.notValidAfter)): renew it there and start the "
        + "node again"
    }
    if let certificate, Int64(certificate.notValidBefore) > now {
      return "its certificate\(named) is not valid before \(date(certificate.notValidBefore)): wait, or set the "
        + "clocks right"
    }
    let use = side == .called ? "clients (extendedKeyUsage clientAuth)" : "servers (extendedKeyUsage serverAuth)"
    return "no authority of this node's peer-ca vouches for its certificate\(named), or not for \(use): give it one "
      + "by such an "
      + "authority, or add its authority to peer-ca here"
  }

  private static func date(_ seconds: Int) -> String {
    Timestamp.rfc3339(milliseconds: Int64(clamping: seconds) &* 1_000)
  }

  /// Whose certificate it is, by what it says itself.
  private static func named(_ certificate: NIOSSLCertificate?) -> String {
    guard let certificate else { return "" }
    let inner = "\(certificate)".split(separator: ";", maxSplits: 1).last.map { $0.prefix { $0 != ">" } } ?? ""
    return inner.isEmpty ? "" : " (\(inner.prefix(200)))"
  }
}
