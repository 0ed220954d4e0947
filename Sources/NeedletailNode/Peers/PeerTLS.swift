import NIOCore
import NIOSSL

/// How a node talks to others over TLS: HTTP/2, with the name under which the other one is known, and with its own
/// certificate for those that demand one.
struct PeerTLS: Sendable {
  private let context: @Sendable () -> NIOSSLContext
  private let complaints: PeerComplaints?

  /// With the certificates that a configuration trusts and shows; throws NIOSSL's errors.
  init(_ configuration: TLSConfiguration, complaints: PeerComplaints? = nil) throws {
    let context = try Self.context(configuration)
    self.init(complaints: complaints) { context }
  }

  /// With what is there when a connection begins.
  init(complaints: PeerComplaints?, _ context: @escaping @Sendable () -> NIOSSLContext) {
    self.context = context
    self.complaints = complaints
  }

  /// For a node with this certificate of its own, and the authorities that others' are checked against; nil for the
  /// system's.
  ///
  /// Throws `StartupError`.
  static func context(
    _ certificate: NodeCertificate, authorities: [NIOSSLCertificate]?
  ) throws(StartupError) -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    configuration.certificateChain = certificate.chain.map { .certificate($0) }
    configuration.privateKey = .privateKey(certificate.key)
    if let authorities { configuration.trustRoots = .certificates(authorities) }
    do {
      return try context(configuration)
    } catch {
      throw StartupError(
        "tls-certificate: \(certificate.file) cannot be shown to other nodes, or peer-ca not be read: \(error)")
    }
  }

  private static func context(_ configuration: TLSConfiguration) throws -> NIOSSLContext {
    var configuration = configuration
    configuration.applicationProtocols = ["h2"]
    return try NIOSSLContext(configuration: configuration)
  }

  /// The handler of a connection to an address.
  ///
  /// The other node's certificate has to have the host's name, or its address where it is known by that alone, which
  /// TLS
  /// does not send.
  func handler(for address: ListenAddress) throws -> NIOSSLClientHandler {
    let isLiteral = (try? SocketAddress(ipAddress: address.host, port: address.port)) != nil
    return try NIOSSLClientHandler(context: context(), serverHostname: isLiteral ? nil : address.host)
  }

  /// What to say of an error of a connection; nil where it has nothing to do with TLS.
  func text(of error: any Error, shown certificate: NIOSSLCertificate?, at address: ListenAddress) -> String? {
    complaints?.tell(
      PeerTLSFailure.Handshake(error: error, certificate: certificate, address: "\(address)"), side: .caller)
  }
}
