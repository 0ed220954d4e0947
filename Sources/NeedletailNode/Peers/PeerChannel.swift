import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2
import NIOPosix
import NIOSSL

/// The way to another node: one connection of HTTP/2, made when it is first needed and again when it broke, over which
/// any number of calls run at once.
actor PeerChannel {
  private typealias Streams = NIOHTTP2Handler.AsyncStreamMultiplexer<Void>

  private struct Connection: Sendable {
    let channel: any Channel
    let streams: Streams
  }

  private static let connectTimeout = TimeAmount.seconds(2)
  /// As the server's: with the library's defaults of 64 KiB a message of 1 MiB costs ten times as much.
  private static let streamWindow = 1 << 20
  private static let connectionWindow = 4 << 20
  private static let frameBytesMax = 256 << 10

  nonisolated let address: ListenAddress
  private let tls: NIOSSLContext?
  private let token: String?
  private let group: any EventLoopGroup
  private var connection: Task<Connection, any Error>?
  private var isClosed = false

  /// A way to the node that listens there; with TLS where there is a context, and with the token where it wants one.
  init(
    _ address: ListenAddress, tls: NIOSSLContext? = nil, token: String? = nil,
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) {
    self.address = address
    self.tls = tls
    self.token = token
    self.group = group
  }

  /// Calls a method that answers with one message.
  func call(
    _ method: PeerMethod, _ message: [UInt8], within timeout: Duration, answerBytesMax: Int = 64 << 20
  ) async throws(PeerError) -> [UInt8] {
    let stream = try await open(method, message, within: timeout, messageBytesMax: answerBytesMax)
    guard let answer = try await stream.next() else { throw .malformed("no message") }
    guard try await stream.next() == nil else {
      stream.cancel()
      throw .malformed("more than one message")
    }
    return answer
  }

  /// Begins a call of a method that answers with any number of messages.
  func open(
    _ method: PeerMethod, _ message: [UInt8], within timeout: Duration, messageBytesMax: Int
  ) async throws(PeerError) -> PeerStream {
    var headers: HTTPFields = [.contentType: "application/grpc", .te: "trailers"]
    if let token { headers[.authorization] = "Bearer \(token)" }
    let request = HTTPRequest(
      method: .post, scheme: tls == nil ? "http" : "https", authority: address.description, path: method.path,
      headerFields: headers)
    let stream = PeerStream(
      request, message: message, timeout: .nanoseconds(timeout.nanosecondsClamped), messageBytesMax: messageBytesMax)
    do {
      let streams = try await connected().streams
      try await streams.openStream { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.syncOptions?.setOption(.autoRead, value: false)
          try channel.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPClientCodec())
          try channel.pipeline.syncOperations.addHandler(stream)
        }
      }
      return stream
    } catch {
      throw .unreachable("\(address): \(error)")
    }
  }

  /// Ends the connection and all calls on it; there will be no other.
  func close() async {
    isClosed = true
    let last = connection
    connection = nil
    if let open = try? await last?.value { try? await open.channel.close() }
  }

  private func connected() async throws -> Connection {
    guard !isClosed else { throw ChannelError.ioOnClosedChannel }
    if let known = connection {
      // One that is being made is waited for, whoever began it.
      if let open = try? await known.value, open.channel.isActive { return open }
      if connection == known { connection = nil }
      return try await connected()
    }
    let attempt = Task { [address, tls, group] in try await Self.connect(address, tls, group) }
    connection = attempt
    do {
      return try await attempt.value
    } catch {
      if connection == attempt { connection = nil }
      throw error
    }
  }

  private static func connect(
    _ address: ListenAddress, _ tls: NIOSSLContext?, _ group: any EventLoopGroup
  ) async throws -> Connection {
    let bootstrap = ClientBootstrap(group: group).connectTimeout(connectTimeout)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
    return try await bootstrap.connect(host: address.host, port: address.port) { channel in
      channel.eventLoop.makeCompletedFuture {
        let pipeline = channel.pipeline.syncOperations
        if let tls {
          try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: nil))
        }
        let streams = try pipeline.configureAsyncHTTP2Pipeline(mode: .client, configuration: configuration) { stream in
          // A server opens none: there is no push.
          stream.close()
        }
        return Connection(channel: channel, streams: streams)
      }
    }
  }

  private static var configuration: NIOHTTP2Handler.Configuration {
    var configuration = NIOHTTP2Handler.Configuration()
    configuration.connection.initialSettings = [
      HTTP2Setting(parameter: .enablePush, value: 0),
      HTTP2Setting(parameter: .maxConcurrentStreams, value: 100),
      HTTP2Setting(parameter: .initialWindowSize, value: streamWindow),
      HTTP2Setting(parameter: .maxFrameSize, value: frameBytesMax),
    ]
    configuration.connection.targetWindowSize = connectionWindow
    configuration.stream.targetWindowSize = streamWindow
    return configuration
  }
}
