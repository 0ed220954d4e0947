import NIOCore
import NIOSSL

/// How a node talks to others over TLS: HTTP/2, and with the name under which the other one is known.
struct PeerTLS: Sendable {
  private let context: NIOSSLContext

  /// With the certificates that a configuration trusts and shows; throws NIOSSL's errors.
  init(_ configuration: TLSConfiguration) throws {
    var configuration = configuration
    configuration.applicationProtocols = ["h2"]
    context = try NIOSSLContext(configuration: configuration)
  }

  /// The handler of a connection to an address.
  ///
  /// The other node's certificate has to have the host's name, or its address where it is known by that alone, which TLS
  /// does not send.
  func handler(for address: ListenAddress) throws -> NIOSSLClientHandler {
    let isLiteral = (try? SocketAddress(ipAddress: address.host, port: address.port)) != nil
    return try NIOSSLClientHandler(context: context, serverHostname: isLiteral ? nil : address.host)
  }
}
