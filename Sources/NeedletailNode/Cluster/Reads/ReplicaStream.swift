import NeedletailCluster
import NeedletailTelemetry

/// What a node has to say after its first message; it is given up where nobody holds it any more.
final class ReplicaStream: Sendable {
  let node: NodeID
  let stream: PeerStream

  init(_ node: NodeID, _ stream: PeerStream) {
    self.node = node
    self.stream = stream
  }

  deinit { stream.cancel() }
}

extension PeerError {
  /// Whether the same question may do better at another node.
  var isOfNode: Bool {
    guard case .refused(let code, let message, _) = self else { return true }
    // A node of another version cannot read what others can.
    guard !message.hasPrefix(PeerService.unreadable) else { return true }
    let status = GRPCStatus.Code(rawValue: code)
    return status != .invalidArgument && status != .resourceExhausted
  }
}

extension ClusterReads {
  /// Room for digests and sets of slots in a first message.
  private static let messageOverhead = 4 << 20
  /// The largest message of an answer in many messages: a full one and the largest record.
  static let rowsBytesMax = 8 << 20
  /// The largest answer in one message.
  static let listBytesMax = ReadMessage.dataMax + messageOverhead

  /// Asks another node; its answer is what its first message says, and the rest as it is wanted.
  func ask(
    _ ask: QuorumRead.Ask, of read: UInt64, by epoch: UInt64, for question: ClusterQuestion,
    windows: ClosedRange<Int64>, _ subject: [UInt8], messageBytesMax: Int
  ) async throws(PeerError) -> (response: ReadMessage.Response, rest: ReplicaStream) {
    let (began, timeout) = (now, question.timeout)
    var isOtherLayout = false
    counters.count(\.asks)
    do throws(PeerError) {
      guard let channel = view.channel(to: ask.node) else { throw .unreachable("no way to it is known") }
      let request = ReadMessage.Request(
        read: read, ask: ask, epoch: epoch, reader: view.own, windows: windows,
        timeLeft: UInt64(clamping: timeout.nanosecondsClamped), selection: subject)
      let stream = try await channel.open(
        .read, ReadMessage.request(request).bytes, within: timeout, messageBytesMax: messageBytesMax)
      let rest = ReplicaStream(ask.node, stream)
      guard let first = try await stream.next() else { throw .malformed("no message") }
      let response: ReadMessage.Response
      switch try Self.message(first, ask, of: read) {
      case .response(let answer) where answer.epoch == epoch: response = answer
      case .failure(_, _, let known, let reason):
        isOtherLayout = known != epoch
        question.note(epoch: known)
        if known > epoch { heard(known, ask.node) }
        throw .refused(code: GRPCStatus.Code.unavailable.rawValue, message: reason, retryAfterSeconds: nil)
      case .request, .response: throw .malformed("it answers another question")
      }
      times.answered(ask.node, after: now - began)
      return (response, rest)
    } catch {
      // Who is not waited for any more did nothing wrong.
      if !Task.isCancelled {
        counters.count(\.failedAsks)
        if error.isOfNode, !isOtherLayout { times.failed(ask.node, at: now) }
      }
      throw error
    }
  }

  /// Asks another node what it knows at once of slots, without waiting: of digests alone.
  ///
  /// Nil where that is to be asked by a call of its own.
  func askAtOnce(
    _ ask: QuorumRead.Ask, of read: UInt64, by epoch: UInt64, windows: ClosedRange<Int64>, within timeout: Duration
  ) -> PeerReply? {
    guard ask.series.isEmpty, ask.reduced.isEmpty, let channel = view.channel(to: ask.node) else { return nil }
    let request = ReadMessage.Request(
      read: read, ask: ask, epoch: epoch, reader: view.own, windows: windows,
      timeLeft: UInt64(clamping: timeout.nanosecondsClamped), selection: [])
    return channel.askAtOnce(ReadMessage.request(request).bytes, within: timeout)
  }

  /// What a reply comes to; nil where it is none that counts, and a call of its own may bring one.
  func answer(
    _ reply: Result<[UInt8], PeerError>, _ ask: QuorumRead.Ask, of read: UInt64, by epoch: UInt64
  ) -> QuorumRead.Answer? {
    guard case .success(let bytes) = reply, !bytes.isEmpty,
      case .response(let response)? = try? Self.message(bytes, ask, of: read), response.epoch == epoch
    else { return nil }
    return response.answer
  }

  private static func message(
    _ bytes: [UInt8], _ ask: QuorumRead.Ask, of read: UInt64
  ) throws(PeerError) -> ReadMessage {
    let message: ReadMessage
    do throws(MalformedBytes) { message = try ReadMessage(bytes, node: ask.node) } catch {
      throw .malformed("\(error)")
    }
    if case .response(let response) = message {
      guard response.read == read, response.ask == ask.id else { throw .malformed("it answers another question") }
      guard response.answer.series.isSubset(of: ask.series) else {
        throw .malformed("it answers for slots that nobody asked for")
      }
    }
    return message
  }
}
