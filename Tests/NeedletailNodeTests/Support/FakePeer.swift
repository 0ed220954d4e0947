import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NeedletailEnvironment
import NeedletailSimulation
import ServiceLifecycle

@testable import NeedletailNode

/// A node that answers whatever a test says, over real connections.
enum FakePeer {
  /// What a call is answered with: bytes of the body, one piece after the other, and trailers; nil for the usual end.
  typealias Answer = @Sendable (any ResponseBodyWriter) async throws -> Void

  /// The node as it runs.
  struct Running: Sendable {
    fileprivate let services: ServiceGroup
    fileprivate let task: Task<Void, any Error>

    /// Ends it at once.
    func end() async {
      task.cancel()
      _ = await task.result
    }

    /// Asks it to stop.
    func stop() async { await services.triggerGracefulShutdown() }

    /// Waits until it is done.
    func done() async throws { try await task.value }
  }

  private struct Port: Service {
    let listener: HTTPListener

    func run() async throws { try await listener.run() }
  }

  /// Runs `body` with a way to such a node, and ends both.
  static func run<Result: Sendable>(
    _ answer: @escaping Answer, _ body: @escaping @Sendable (PeerChannel) async throws -> Result
  ) async throws -> Result {
    try await run { question, writer in
      for try await _ in question {}
      try await answer(writer)
    } body: {
      try await body($0)
    }
  }

  /// The same, of which answers may begin before questions end.
  static func run<Result: Sendable>(
    respond: @escaping @Sendable (RequestBody, any ResponseBodyWriter) async throws -> Void,
    body: @escaping @Sendable (PeerChannel) async throws -> Result
  ) async throws -> Result {
    try await run(
      respondTo: { _, body, writer in try await respond(body, writer) },
      body: { channel, _ in try await body(channel) })
  }

  /// The same, by the method that is called; `body` may end the node, or have it stop, before its own end, too.
  static func run<Result: Sendable>(
    respondTo respond: @escaping @Sendable (PeerMethod?, RequestBody, any ResponseBodyWriter) async throws -> Void,
    body: @escaping @Sendable (PeerChannel, Running) async throws -> Result
  ) async throws -> Result {
    let (addresses, listening) = AsyncStream.makeStream(of: ListenAddress.self)
    let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    let listener = HTTPListener(
      address: ListenAddress(host: "127.0.0.1", port: 0), tls: nil, clock: ManualClock(),
      respond: { request, _ in
        Response(
          status: .ok, headers: [.contentType: "application/grpc"],
          body: ResponseBody { writer in
            try await respond(PeerMethod(path: request.head.path ?? ""), request.body, writer)
          })
      },
      logger: silent, isForPeers: true,
      onListening: {
        listening.yield($0)
        listening.finish()
      })
    let services = ServiceGroup(
      configuration: ServiceGroupConfiguration(services: [Port(listener: listener)], logger: silent))
    let node = Running(services: services, task: Task { try await services.run() })
    var address: ListenAddress?
    for await bound in addresses { address = bound }
    guard let address else { throw PeerError.unreachable("it does not listen") }
    let channel = PeerChannel.patient(address)
    let result = await Swift.Result { try await body(channel, node) }
    await channel.close()
    await node.end()
    return try result.get()
  }

  /// An answer of these messages, which ends well or as it is said.
  static func messages(_ messages: [[UInt8]], _ trailers: HTTPFields = [.grpcStatus: "0"]) -> Answer {
    { writer in
      var writer = writer
      for message in messages { try await writer.write(ByteBuffer(bytes: GRPCMessage.framed(message))) }
      try await writer.finish(trailers)
    }
  }
}

extension Result where Failure == any Error {
  /// What an asynchronous body returns or throws.
  init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
