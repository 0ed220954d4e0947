import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NeedletailEnvironment
import ServiceLifecycle

/// Runs a server on one port: HTTP/1.1, HTTP/2 and with it gRPC.
struct HTTPListener: Sendable {
  private static let idleTimeout = TimeAmount.seconds(60)
  private static let headerBytesMax = 16 << 10
  private static let headerFieldsMax = 100
  private static let connectionsMax = 512
  private static let peerResetsMax = 20_000

  private static let server = HTTPField(name: .server, value: "needletail")

  let address: ListenAddress
  /// What a connection that begins speaks TLS with; nil for plain text.
  let tls: (@Sendable () -> NIOSSLContext)?
  let clock: any WallClock
  let respond: @Sendable (Request, ConnectionContext) async -> Response
  let logger: Logger
  /// Whether it is for the other nodes of a cluster.
  let isForPeers: Bool
  /// Told of other nodes that came to no TLS with this one.
  var refused: (@Sendable (PeerTLSFailure.Handshake) -> Void)?
  /// Called with the port that was bound.
  let onListening: @Sendable (ListenAddress) -> Void
  private let watches = ConnectionWatches()
  private let unfinished = UnfinishedAnswers()

  /// Serves until the surrounding service group shuts down.
  func run() async throws {
    let address = address
    let onListening = onListening
    var connection = WebConnection(
      http1: http1, wholeRequests: wholeRequests, unfinished: unfinished, tls: tls, idleTimeout: Self.idleTimeout,
      headerBytesMax: Self.headerBytesMax, headerFieldsMax: Self.headerFieldsMax)
    if isForPeers { (connection.resetsMax, connection.endsCalls) = (Self.peerResetsMax, false) }
    connection.refused = refused
    let server = Server(
      childChannelSetup: connection,
      configuration: HummingbirdCore.ServerConfiguration(
        address: .hostname(address.host, port: address.port),
        availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionsMax, logger: logger)),
      onServerRunning: { channel in
        onListening(ListenAddress(host: address.host, port: channel.localAddress?.port ?? address.port))
      },
      eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
    do {
      try await server.run()
    } catch {
      await unfinished.allEnded()
      throw error
    }
    await unfinished.allEnded()
  }

  private var http1: HTTP1Channel {
    let watches = watches
    let configuration = HTTP1Channel.Configuration(
      additionalChannelHandlers: [watches.make()],
      httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
        maxHeaderFieldSize: Self.headerBytesMax, maxHeaderListSize: Self.headerBytesMax,
        maxHeaderFieldCount: Self.headerFieldsMax))
    let answer = answer
    return HTTP1Channel(
      responder: { request, writer, channel in
        let context = ConnectionContext(channel: channel, watch: watches.watch(of: channel))
        let response = await answer(request, context)
        try await writer.write(response: response.head, body: response.body)
        context.answered()
      }, configuration: configuration)
  }

  /// Answers requests that come whole, on the channel where they come in.
  private var wholeRequests: WholeRequests.Answer {
    let answer = answer
    return { request, context, writer in try await writer.write(await answer(request, context)) }
  }

  private var answer: @Sendable (Request, ConnectionContext) async -> Response {
    let (respond, date) = (respond, HTTPDate(clock: clock))
    return { request, context in
      var response = await respond(request, context)
      // Made once: a field is looked through for what may not be in one whenever it is made.
      response.headers.append(date.field)
      response.headers.append(Self.server)
      return response
    }
  }
}
