import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import ServiceLifecycle

/// Runs the gRPC server on one port.
struct GRPCListener: Sendable {
  /// The defaults of 64 KiB windows cost a factor of ten at messages of 1 MiB.
  private static let windowBytes = 8 << 20
  private static let frameBytes = 1 << 20
  private static let streamsPerConnectionMax = 100

  let address: ListenAddress
  let tls: (certificate: String, key: String)?
  let messageBytesMax: Int
  let service: OTLPService
  /// Called with the port that was bound.
  let onListening: @Sendable (ListenAddress) -> Void

  /// Serves until the surrounding service group shuts down.
  func run() async throws {
    let server = GRPCServer(
      transport: .http2NIOPosix(
        address: try await socketAddress(), transportSecurity: security, config: .defaults { configure(&$0) }),
      services: [service])
    try await withGracefulShutdownHandler {
      try await withThrowingDiscardingTaskGroup { group in
        group.addTask { try await server.serve() }
        group.addTask {
          // Where listening fails, `serve` tells why.
          guard let bound = try? await server.listeningAddress else { return }
          if let bound = bound.ipv4 { onListening(ListenAddress(host: bound.host, port: bound.port)) }
          if let bound = bound.ipv6 { onListening(ListenAddress(host: bound.host, port: bound.port)) }
        }
      }
    } onGracefulShutdown: {
      server.beginGracefulShutdown()
    }
  }

  private func configure(_ config: inout HTTP2ServerTransport.Posix.Config) {
    config.http2.targetWindowSize = Self.windowBytes
    config.http2.maxFrameSize = Self.frameBytes
    config.http2.maxConcurrentStreams = Self.streamsPerConnectionMax
    config.rpc.maxRequestPayloadSize = messageBytesMax
    config.compression.enabledAlgorithms = [.gzip]
    config.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .seconds(10)
    config.connection.keepalive.clientBehavior.allowWithoutCalls = true
  }

  private var security: HTTP2ServerTransport.Posix.TransportSecurity {
    guard let tls else { return .plaintext }
    return .tls(
      certificateChain: [.file(path: tls.certificate, format: .pem)],
      privateKey: .file(path: tls.key, format: .pem))
  }

  /// The address with its host resolved: the transport takes numbers only.
  private func socketAddress() async throws -> GRPCNIOTransportCore.SocketAddress {
    let resolved = try NIOCore.SocketAddress.makeAddressResolvingHost(address.host, port: address.port)
    guard let host = resolved.ipAddress else { throw StartupError("\(address.host) has no IP address") }
    return host.contains(":") ? .ipv6(host: host, port: address.port) : .ipv4(host: host, port: address.port)
  }
}
