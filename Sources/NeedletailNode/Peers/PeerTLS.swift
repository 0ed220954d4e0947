import NIOCore
import NIOSSL

/// How a node talks to others over TLS: HTTP/2, with the name under which the other one is known, and with its own
/// certificate
/// for those that demand one.
struct PeerTLS: Sendable {
  private let context: NIOSSLContext
  private let complaints: PeerComplaints?

  /// With the certificates that a configuration trusts and shows; throws NIOSSL's errors.
  init(_ configuration: TLSConfiguration, complaints: PeerComplaints? = nil) throws {
    var configuration = configuration
    configuration.applicationProtocols = ["h2"]
    context = try NIOSSLContext(configuration: configuration)
    self.complaints = complaints
  }

  /// With a node's own certificate, and the authorities that others' are checked against; nil for the system's.
  ///
  /// Throws `StartupError`.
  init(
    _ certificate: NodeCertificate, authorities: [NIOSSLCertificate]?, complaints: PeerComplaints? = nil
  ) throws(StartupError) {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    configuration.certificateChain = certificate.chain.map { .certificate($0) }
    configuration.privateKey = .privateKey(certificate.key)
    if let authorities { configuration.trustRoots = .certificates(authorities) }
    do {
      try self.init(configuration, complaints: complaints)
    } catch {
      throw StartupError(
        "tls-certificate: \(certificate.file) cannot be shown to other nodes, or peer-ca not be read: \(error)")
    }
  }

  /// The handler of a connection to an address.
  ///
  /// The other node's certificate has to have the host's name, or its address where it is known by that alone, which
  /// TLS
  /// does not send.
  func handler(for address: ListenAddress) throws -> NIOSSLClientHandler {
    let isLiteral = (try? SocketAddress(ipAddress: address.host, port: address.port)) != nil
    return try NIOSSLClientHandler(context: context, serverHostname: isLiteral ? nil : address.host)
  }

  /// What to say of an error of a connection; nil where it has nothing to do with TLS.
  func text(of error: any Error, shown certificate: NIOSSLCertificate?, at address: ListenAddress) -> String? {
    complaints?.tell(
      PeerTLSFailure.Handshake(error: error, certificate: certificate, address: "\(address)"), side: .caller)
  }
}
