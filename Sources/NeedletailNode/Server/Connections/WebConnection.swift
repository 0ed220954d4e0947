import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import NIOSSL
import NIOTLS

/// A connection that speaks HTTP/1.1 or HTTP/2, in plain text or over TLS: the client decides.
///
/// HTTP/2 has windows of its own: with the library's defaults of 64 KiB a message of 1 MiB costs ten times as much.
struct WebConnection: ServerChildChannel {
  /// Bytes of a stream that a client may send ahead of who reads it.
  private static let streamWindow = 1 << 20
  /// Bytes of all streams that may be on their way at once.
  private static let connectionWindow = 4 << 20
  private static let frameBytesMax = 256 << 10
  private static let streamsMax = 100
  /// Streams of which what is still on its way is passed over: of all that a client may have, twice.
  private static let resetStreamsMax = 2 * streamsMax
  private static let keepalive = NIOHTTP2ServerConnectionManagementHandler.Configuration.Keepalive(
    pingInterval: .seconds(60), ackTimeout: .seconds(20))

  typealias HTTP2Streams = NIOHTTP2Handler.AsyncStreamMultiplexer<HTTP2Stream>
  typealias Negotiated = NIONegotiatedHTTPVersion<HTTP1Channel.Value, HTTP2Streams>

  struct Value: ServerChildChannelValue {
    let negotiated: EventLoopFuture<Negotiated>
    let channel: any Channel
  }

  /// The pipeline of HTTP/1.1, which also runs the requests of HTTP/2.
  let http1: HTTP1Channel
  /// What answers requests of HTTP/1.1 that come whole.
  let wholeRequests: WholeRequests.Answer
  let unfinished: UnfinishedAnswers
  /// What a connection that begins speaks TLS with; nil for plain text.
  let tls: (@Sendable () -> NIOSSLContext)?
  /// How long a connection of HTTP/1.1, or a stream of HTTP/2, may be silent; `HTTP2Watch` has the times of connections.
  let idleTimeout: TimeAmount
  let headerBytesMax: Int
  let headerFieldsMax: Int
  /// How many calls a client may give up within 30 s before its connection is ended: a few against strangers, who can
  /// have the server work for nothing, many for nodes, whose queries end early.
  var resetsMax = 200
  /// Whether a call that is refused before it came is ended for the client: other nodes do it themselves, and would take
  /// many such words for an attack.
  var endsCalls = true
  /// Told of handshakes that failed; nil where nobody wants to know.
  var refused: (@Sendable (PeerTLSFailure.Handshake) -> Void)?

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      if let tls {
        let handler = NIOSSLServerHandler(context: tls())
        try pipeline.addHandler(handler)
        if let refused { try pipeline.addHandler(PeerHandshakeWatch(handler, failed: refused)) }
      } else {
        try pipeline.addHandler(PlaintextNegotiation())
      }
      try pipeline.addHandler(NegotiationDeadline(idleTimeout))
      let negotiation = NIOTypedApplicationProtocolNegotiationHandler<Negotiated> { result, channel in
        switch result {
        case .negotiated("h2"): http2(channel, logger)
        case .negotiated, .fallback: http1(channel, logger)
        }
      }
      try pipeline.addHandler(negotiation)
      return Value(negotiated: negotiation.protocolNegotiationResult, channel: channel)
    }
  }

  private func http1(_ channel: any Channel, _ logger: Logger) -> EventLoopFuture<Negotiated> {
    http1.setup(channel: channel, logger: logger).flatMapThrowing { [self] value in
      let pipeline = channel.pipeline.syncOperations
      let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
      let line = RequestLineWatch()
      try pipeline.addHandler(line, position: .before(decoder))
      let manners = HTTP1Manners(
        line, bytesMax: headerBytesMax, fieldsMax: headerFieldsMax, silenceMax: idleTimeout)
      try pipeline.addHandler(manners, position: .after(decoder))
      let watch = try pipeline.handler(type: ConnectionWatch.self)
      try pipeline.addHandler(
        WholeRequests(eventLoop: channel.eventLoop, unfinished, watch: watch, wholeRequests), position: .after(manners))
      return .http1_1(value)
    }
  }

  private func http2(_ channel: any Channel, _ logger: Logger) -> EventLoopFuture<Negotiated> {
    channel.eventLoop.makeCompletedFuture {
      let management = NIOHTTP2ServerConnectionManagementHandler(
        eventLoop: channel.eventLoop,
        configuration: .init(maxIdleTime: nil, maxAge: nil, maxGraceTime: nil, keepalive: Self.keepalive))
      let watch = HTTP2Watch()
      try channel.pipeline.syncOperations.addHandler(watch)
      let bound = NIOLoopBound(watch, eventLoop: channel.eventLoop)
      let streams = try channel.pipeline.syncOperations.configureAsyncHTTP2Pipeline(
        mode: .server, streamDelegate: management.http2StreamDelegate,
        configuration: Self.http2Configuration(headerBytesMax: headerBytesMax, resetsMax: resetsMax)
      ) { stream in
        stream.eventLoop.makeCompletedFuture {
          bound.value.opened(stream)
          let pipeline = stream.pipeline.syncOperations
          try pipeline.addHandler(HTTP2Manners(endsCalls: endsCalls))
          try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
          try pipeline.addHandlers(http1.configuration.additionalChannelHandlers())
          try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: Duration(idleTimeout), logger: logger))
          return HTTP2Stream(try HTTP1Channel.Value(wrappingChannelSynchronously: stream))
        }
      }
      try channel.pipeline.syncOperations.addHandler(management)
      return .http2(streams)
    }
  }

  /// What holds for connections of HTTP/2, and what clients are told of it.
  static func http2Configuration(headerBytesMax: Int, resetsMax: Int) -> NIOHTTP2Handler.Configuration {
    var configuration = NIOHTTP2Handler.Configuration()
    configuration.connection.initialSettings = [
      HTTP2Setting(parameter: .maxConcurrentStreams, value: streamsMax),
      HTTP2Setting(parameter: .maxHeaderListSize, value: headerBytesMax),
      HTTP2Setting(parameter: .initialWindowSize, value: streamWindow),
      HTTP2Setting(parameter: .maxFrameSize, value: frameBytesMax),
    ]
    configuration.connection.targetWindowSize = connectionWindow
    configuration.connection.maximumRecentlyResetStreams = resetStreamsMax
    configuration.stream.targetWindowSize = streamWindow
    configuration.stream.streamResetFrameRateLimit.maximumCount = resetsMax
    configuration.stream.streamResetFrameRateLimit.windowLength = .seconds(30)
    return configuration
  }

  func handle(value: Value, logger: Logger) async {
    await withTaskExecutorPreference(EventLoopExecutor(value.channel.eventLoop)) {
      do {
        switch try await value.negotiated.get() {
        case .http1_1(let channel): await http1.handle(value: channel, logger: logger)
        case .http2(let streams): try await handle(streams, of: value.channel, logger)
        }
      } catch {
        logger.trace("the connection ended early: \(error)")
      }
    }
  }

  private func handle(_ streams: HTTP2Streams, of channel: any Channel, _ logger: Logger) async throws {
    defer { channel.close(promise: nil) }
    try await withTaskCancellationHandler {
      try await withThrowingDiscardingTaskGroup { group in
        for try await stream in streams.inbound {
          group.addTask { await http1.handle(value: stream.take(), logger: logger) }
        }
      }
    } onCancel: {
      channel.close(promise: nil)
    }
  }
}
