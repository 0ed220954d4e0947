import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2
import NIOPosix
import NeedletailEnvironment

/// The way to another node: one connection of HTTP/2, made when it is first needed and again when it broke, over which
/// any number of calls run at once.
///
/// One attempt to connect is made at a time. Whoever needs the connection meanwhile waits for that one, no longer than
/// his call may take, and shares how it ends.
actor PeerChannel {
  private typealias Waiter = CheckedContinuation<Result<PeerConnection, PeerError>, Never>

  /// As the server's: with the library's defaults of 64 KiB a message of 1 MiB costs ten times as much.
  private static let streamWindow = 1 << 20
  private static let connectionWindow = 4 << 20
  private static let frameBytesMax = 256 << 10
  /// After an attempt to open a conversation: a node that does not know such calls is not asked for one all the time.
  private static let conversationPause = TimeAmount.seconds(5)

  nonisolated let address: ListenAddress
  private let tls: PeerTLS?
  private let token: String?
  private let group: any EventLoopGroup
  private let connectTimeout: TimeAmount
  private var connection: PeerConnection?
  private var isConnecting = false
  private var waiters: [UInt64: Waiter] = [:]
  private var nextWaiter: UInt64 = 0
  private var isClosed = false
  /// A call that stays open, and when another one may be tried.
  private struct OpenCall: Sendable {
    var current: PeerConversation?
    var next = NIODeadline.uptimeNanoseconds(0)
  }

  private struct OpenCalls: Sendable {
    private var known = OpenCall()
    private var writes = OpenCall()
    private var repairs = OpenCall()

    /// The call of a method that stays open.
    subscript(method: PeerMethod) -> OpenCall {
      get {
        switch method {
        case .writes: writes
        case .repairs: repairs
        default: known
        }
      }
      set {
        switch method {
        case .writes: writes = newValue
        case .repairs: repairs = newValue
        default: known = newValue
        }
      }
    }

    var conversations: [PeerConversation] { [known, writes, repairs].compactMap(\.current) }
  }
  private nonisolated let openCalls = Lock(OpenCalls())

  /// A way to the node that listens there; over TLS where it is given, and with the token where the node wants one.
  ///
  /// `connectTimeout` is for tests, which share their processors with many others.
  init(
    _ address: ListenAddress, tls: PeerTLS? = nil, token: String? = nil,
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, connectTimeout: TimeAmount = .seconds(2)
  ) {
    self.address = address
    self.tls = tls
    self.token = token
    self.group = group
    self.connectTimeout = connectTimeout
  }

  /// Calls a method that answers with one message.
  ///
  /// Where nothing at all comes in during its time, the connection is given up, unless `isJudge` is false.
  func call(
    _ method: PeerMethod, _ message: [UInt8], within timeout: Duration, answerBytesMax: Int = 64 << 20,
    isJudge: Bool = true
  ) async throws(PeerError) -> [UInt8] {
    let stream = try await open(
      method, message, within: timeout, messageBytesMax: answerBytesMax, isJudge: isJudge)
    guard let answer = try await stream.next() else { throw .malformed("no message") }
    guard try await stream.next() == nil else {
      stream.cancel()
      throw .malformed("more than one message")
    }
    return answer
  }

  /// Asks what the node knows, without waiting; the reply fails after `timeout`.
  ///
  /// Nil where no call is open for such questions, which is then begun, or too many wait for their answers: the same can be
  /// asked by a call of its own.
  nonisolated func askAtOnce(_ question: [UInt8], within timeout: Duration) -> PeerReply? {
    ask(.known, question, within: timeout)
  }

  /// Calls a method whose messages may arrive twice, and which answers with one message.
  ///
  /// Small ones go over the call that is open for many of them. Where none is, or it ends before the answer, they go by a call
  /// of their own: an open call ends for reasons of its own too.
  nonisolated func deliver(
    _ method: PeerMethod, _ message: [UInt8], within timeout: Duration, answerBytesMax: Int
  ) async throws(PeerError) -> [UInt8] {
    let deadline = ContinuousClock.now + timeout
    guard let pipeline = method.pipeline, message.count <= pipeline.questionBytesMax,
      let reply = ask(pipeline, message, within: timeout)
    else { return try await call(method, message, within: timeout, answerBytesMax: answerBytesMax) }
    let told = await reply.value()
    if case .success(let bytes) = told, let answer = PeerPipeline.answer(bytes) { return answer }
    if Task.isCancelled || told == .failure(.timedOut) { throw .timedOut }
    // What is left of its time is too little to judge a connection by.
    return try await call(
      method, message, within: deadline - .now, answerBytesMax: answerBytesMax, isJudge: false)
  }

  /// Asks over the call of a method that stays open; nil as `askAtOnce`.
  nonisolated func ask(_ method: PeerMethod, _ question: [UInt8], within timeout: Duration) -> PeerReply? {
    let (current, mayBegin) = openCalls.withLock { calls in
      if let current = calls[method].current, !current.isOver { return (PeerConversation?.some(current), false) }
      let now = NIODeadline.now()
      guard now >= calls[method].next else { return (nil, false) }
      calls[method] = OpenCall(current: nil, next: now + Self.conversationPause)
      return (nil, true)
    }
    if mayBegin { Task { try? await converse(method) } }
    return current?.ask(question, within: timeout)
  }

  private func converse(_ method: PeerMethod) async throws {
    let connection = try await connected(by: .now() + connectTimeout)
    let opened = PeerConversation(request(method), over: connection.watch, isPatient: method != .known)
    try await connection.streams.openStream { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPClientCodec())
        try channel.pipeline.syncOperations.addHandler(opened)
      }
    }
    guard !isClosed else { return opened.end() }
    let other = openCalls.withLock { calls in
      defer { calls[method].current = opened }
      return calls[method].current
    }
    other?.end()
  }

  private nonisolated func request(_ method: PeerMethod) -> HTTPRequest {
    var headers: HTTPFields = [.contentType: "application/grpc", .te: "trailers"]
    if let token { headers[.authorization] = "Bearer \(token)" }
    return HTTPRequest(
      method: .post, scheme: tls == nil ? "http" : "https", authority: address.description, path: method.path,
      headerFields: headers)
  }

  /// Begins a call of a method that answers with any number of messages; connecting counts in its time.
  func open(
    _ method: PeerMethod, _ message: [UInt8], within timeout: Duration, messageBytesMax: Int, isJudge: Bool = true
  ) async throws(PeerError) -> PeerStream {
    let deadline = NIODeadline.now() + .nanoseconds(timeout.nanosecondsClamped)
    let connection = try await connected(by: deadline)
    let stream = PeerStream(
      request(method), message: message, over: connection.watch, deadline: deadline, messageBytesMax: messageBytesMax,
      isJudge: isJudge)
    do {
      try await connection.streams.openStream { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.syncOptions?.setOption(.autoRead, value: false)
          try channel.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPClientCodec())
          try channel.pipeline.syncOperations.addHandler(stream)
        }
      }
      return stream
    } catch {
      throw .unreachable(connection.channel.isActive ? "\(error)" : connection.watch.ending)
    }
  }

  /// Ends the connection and all calls on it; there will be no other.
  func close() async {
    isClosed = true
    let last = connection
    connection = nil
    for conversation in openCalls.withLock({ $0.conversations }) { conversation.end() }
    answer(.failure(.unreachable("it was closed here")))
    try? await last?.channel.close()
  }

  // MARK: - Connecting

  private func connected(by deadline: NIODeadline) async throws(PeerError) -> PeerConnection {
    guard !isClosed else { throw .unreachable("it was closed here") }
    if let connection, connection.isUsable { return connection }
    connection = nil
    let id = nextWaiter
    nextWaiter &+= 1
    let timer = group.next().scheduleTask(deadline: deadline) { [self] in
      Task { await giveUp(id, .timedOut) }
    }
    defer { timer.cancel() }
    let result: Result<PeerConnection, PeerError> = await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        // A cancellation from before this point found nobody to wake.
        if Task.isCancelled { return waiter.resume(returning: .failure(.givenUp)) }
        waiters[id] = waiter
        connect()
      }
    } onCancel: {
      Task { await giveUp(id, .givenUp) }
    }
    return try result.get()
  }

  private func giveUp(_ id: UInt64, _ error: PeerError) {
    waiters.removeValue(forKey: id)?.resume(returning: .failure(error))
  }

  private func answer(_ result: Result<PeerConnection, PeerError>) {
    let waiting = waiters.values
    waiters = [:]
    for waiter in waiting { waiter.resume(returning: result) }
  }

  /// Begins an attempt where none is under way.
  private func connect() {
    guard !isConnecting else { return }
    isConnecting = true
    Task {
      let result: Result<PeerConnection, PeerError>
      do { result = .success(try await attempt()) } catch {
        result = .failure(.unreachable(PeerError.text(ofConnecting: error)))
      }
      isConnecting = false
      guard !isClosed else {
        try? await result.get().channel.close()
        return
      }
      connection = try? result.get()
      answer(result)
    }
  }

  private nonisolated func attempt() async throws -> PeerConnection {
    let bootstrap = ClientBootstrap(group: group).connectTimeout(connectTimeout)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
    return try await bootstrap.connect(host: address.host, port: address.port) { [address, tls] channel in
      channel.eventLoop.makeCompletedFuture {
        let pipeline = channel.pipeline.syncOperations
        let watch: PeerConnectionWatch
        if let tls {
          let handler = try tls.handler(for: address)
          let shown = NIOLoopBound(handler, eventLoop: channel.eventLoop)
          watch = PeerConnectionWatch { tls.text(of: $0, shown: shown.value.peerCertificate, at: address) }
          try pipeline.addHandler(handler)
          try pipeline.addHandler(PeerTLSWatch(of: watch))
        } else {
          watch = PeerConnectionWatch()
        }
        let streams = try pipeline.configureAsyncHTTP2Pipeline(mode: .client, configuration: Self.configuration) {
          // A server opens none: there is no push.
          $0.close()
        }
        try pipeline.addHandler(watch)
        return PeerConnection(channel: channel, streams: streams, watch: watch)
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
