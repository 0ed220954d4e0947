import HTTPTypes
import NIOCore
import NIOHTTPTypes
import NeedletailEnvironment

/// A call to another node that stays open, over which short questions are asked that it answers at once and in their
/// order.
///
/// Making and ending a call of its own for each takes as long as all the rest of such a question. The call is of no use
/// any more when either side ended it; whoever asks then makes another one. It does not keep a connection open that other
/// calls are done with.
final class PeerConversation: ChannelInboundHandler, Sendable {
  typealias InboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPRequestPart

  /// The most questions that wait for their answers, and their bytes: beyond it the node is not as quick as this is for.
  private static let waitingMax = 256
  private static let waitingBytesMax = 8 << 20
  /// The largest answer, in bytes.
  static let answerBytesMax = 1 << 20

  private struct Waiting {
    var reply: PeerReply
    var bytes: Int
    var asked: NIODeadline
    var timer: Scheduled<Void>?
  }

  private struct State {
    /// Nil before it began.
    var channel: (any Channel)?
    var isOver = false
    /// Whether what waits is still to have its answers over a connection that takes no new calls, and counts there as one.
    var isDraining = false
    /// The place of this call in the connection's book.
    var number: UInt64?
    var waitingBytes = 0
    /// In the order in which they were asked; before `first` they have their answers.
    var waiting: [Waiting] = []
    var first = 0
    var deframer = GRPCDeframer(messageBytesMax: PeerConversation.answerBytesMax)
  }

  private let request: HTTPRequest
  private let connection: PeerConnectionWatch
  /// Whether a time that is over ends the connection where nothing at all came in meanwhile.
  private let isPatient: Bool
  private let state = Lock(State())

  /// `isPatient` says that whoever asks waits as long as for a call: so long that a connection over which nothing comes in
  /// has nobody at its other end.
  init(_ request: HTTPRequest, over connection: PeerConnectionWatch, isPatient: Bool = false) {
    self.request = request
    self.connection = connection
    self.isPatient = isPatient
  }

  /// Whether it is of no use any more.
  var isOver: Bool { state.withLock { $0.isOver } }

  /// Asks, without waiting; the reply fails after `timeout`. Nil where the call is not open, too much waits for answers, or
  /// the first that waits has done so for half of that time: it keeps its place when its own is over.
  func ask(_ question: [UInt8], within timeout: Duration) -> PeerReply? {
    let message = ByteBuffer(bytes: GRPCMessage.framed(question))
    let now = NIODeadline.now()
    let time = TimeAmount.nanoseconds(timeout.nanosecondsClamped)
    let deadline = now + time
    return state.withLock { state in
      guard let channel = state.channel, !state.isOver, state.waiting.count - state.first < Self.waitingMax,
        state.waitingBytes <= Self.waitingBytesMax
      else { return nil }
      if state.waiting.indices.contains(state.first),
        (now - state.waiting[state.first].asked).nanoseconds > time.nanoseconds / 2
      {
        return nil
      }
      let reply = PeerReply()
      state.waiting.append(Waiting(reply: reply, bytes: question.count, asked: now))
      state.waitingBytes += question.count
      // Under the lock, so that questions go out in the order in which answers are expected; it only enters a queue.
      channel.eventLoop.execute { [self] in send(message, reply, deadline, channel) }
      return reply
    }
  }

  /// Ends the call; what still waits gets no answer.
  func end() { fail(.givenUp) }

  private func fail(_ error: PeerError) {
    for reply in stop() { reply.give(.failure(error), after: 0) }
  }

  /// Ends the call without a word; those who wait.
  private func stop() -> [PeerReply] {
    let (waiting, channel, number, wasDraining) = state.withLock { state in
      state.isOver = true
      defer { (state.waiting, state.first, state.waitingBytes, state.isDraining) = ([], 0, 0, false) }
      return (Array(state.waiting.dropFirst(state.first)), state.channel, state.number, state.isDraining)
    }
    for entry in waiting { entry.timer?.cancel() }
    if let number { connection.forget(number) }
    channel?.close(promise: nil)
    if wasDraining, connection.ended() { channel?.parent?.close(promise: nil) }
    return waiting.map(\.reply)
  }

  /// The connection takes no new calls: nothing more is asked here, and the call ends when what waits has its answers.
  private func retire() {
    let isDraining = state.withLock { state in
      guard !state.isOver, state.first < state.waiting.count else { return false }
      (state.isOver, state.isDraining) = (true, true)
      return true
    }
    if isDraining { connection.began() } else { end() }
  }

  // MARK: - On the event loop

  private func send(_ message: ByteBuffer, _ reply: PeerReply, _ deadline: NIODeadline, _ channel: any Channel) {
    let reads = connection.reads
    let timer = channel.eventLoop.scheduleTask(deadline: deadline) { [self] in
      // Before anybody is told, who may ask again at once: see `PeerStream`.
      let waiting = isPatient && connection.reads == reads ? endConnection(of: channel) : []
      reply.give(.failure(.timedOut), after: 0)
      for reply in waiting { reply.give(.failure(.unreachable("nothing comes from it")), after: 0) }
    }
    let isWaiting = state.withLock { state in
      // The newest come last.
      let place = state.waiting.lastIndex { $0.reply === reply }
      if let place { state.waiting[place].timer = timer }
      return place != nil
    }
    if !isWaiting { timer.cancel() }
    channel.writeAndFlush(HTTPRequestPart.body(message), promise: nil)
  }

  /// Ends the call and its connection; those who wait.
  private func endConnection(of channel: any Channel) -> [PeerReply] {
    let waiting = stop()
    connection.retire()
    channel.parent?.close(promise: nil)
    return waiting
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    state.withLock { if !$0.isOver { $0.channel = channel } }
    let number = connection.whenRetired { [weak self] in self?.retire() }
    state.withLock { $0.number = number }
    if channel.parent?.isActive == false { fail(.unreachable(connection.ending)) }
    if channel.isActive { begin(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    let begun = context.eventLoop.makePromise(of: Void.self)
    begun.futureResult.whenFailure { [self] in fail(.unreachable(connection.text(of: $0))) }
    context.writeAndFlush(wrapOutboundOut(.head(request)), promise: begun)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      // A node that knows no such call says so here.
      if head.status != .ok || head.headerFields[.grpcStatus] != nil { fail(.unreachable("it takes no such call")) }
    case .body(let buffer):
      state.withLock { $0.deframer.append(buffer.readableBytesView) }
      do throws(PeerError) {
        while let (answer, entry) = try next() {
          entry.timer?.cancel()
          let nanoseconds = (NIODeadline.now() - entry.asked).nanoseconds
          entry.reply.give(.success(answer), after: UInt64(clamping: nanoseconds))
        }
        if state.withLock({ $0.isDraining && $0.waiting.isEmpty }) { end() }
      } catch { fail(error) }
    case .end: fail(.unreachable("it ended the call"))
    }
  }

  /// The next answer, and who waits for it.
  private func next() throws(PeerError) -> (answer: [UInt8], entry: Waiting)? {
    let found: Result<([UInt8], Waiting)?, PeerError> = state.withLock { state in
      do throws(PeerError) {
        guard let answer = try state.deframer.next() else { return .success(nil) }
        guard state.waiting.indices.contains(state.first) else {
          return .failure(.malformed("an answer to no question"))
        }
        let entry = state.waiting[state.first]
        state.first += 1
        state.waitingBytes -= entry.bytes
        if state.first == state.waiting.count || state.first > Self.waitingMax {
          state.waiting.removeFirst(state.first)
          state.first = 0
        }
        return .success((answer, entry))
      } catch { return .failure(error) }
    }
    return try found.get().map { (answer: $0.0, entry: $0.1) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    fail(.unreachable(connection.ending))
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { fail(.unreachable(connection.ending)) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(.unreachable(connection.text(of: error)))
    context.close(promise: nil)
  }
}
