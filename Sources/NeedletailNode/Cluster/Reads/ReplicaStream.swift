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
    guard case .refused(let code, _, _) = self else { return true }
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
    _ ask: QuorumRead.Ask, of read: UInt64, windows: ClosedRange<Int64>, _ subject: [UInt8], within timeout: Duration,
    messageBytesMax: Int
  ) async throws(PeerError) -> (response: ReadMessage.Response, rest: ReplicaStream) {
    let began = now
    counters.count(\.asks)
    do throws(PeerError) {
      guard let channel = view.channel(to: ask.node) else { throw .unreachable("no way to it is known") }
      let request = ReadMessage.Request(
        read: read, ask: ask, windows: windows, timeLeft: UInt64(clamping: timeout.nanosecondsClamped),
        selection: subject)
      let stream = try await channel.open(
        .read, ReadMessage.request(request).bytes, within: timeout, messageBytesMax: messageBytesMax)
      let rest = ReplicaStream(ask.node, stream)
      guard let first = try await stream.next() else { throw .malformed("no message") }
      let response = try Self.response(first, ask, of: read)
      times.answered(ask.node, after: now - began)
      return (response, rest)
    } catch {
      // Who is not waited for any more did nothing wrong.
      if !Task.isCancelled {
        counters.count(\.failedAsks)
        if error.isOfNode { times.failed(ask.node, at: now) }
      }
      throw error
    }
  }

  private static func response(
    _ bytes: [UInt8], _ ask: QuorumRead.Ask, of read: UInt64
  ) throws(PeerError) -> ReadMessage.Response {
    let message: ReadMessage
    do throws(MalformedBytes) { message = try ReadMessage(bytes, node: ask.node) } catch {
      throw .malformed("\(error)")
    }
    switch message {
    case .response(let response):
      guard response.read == read, response.ask == ask.id else { throw .malformed("it answers another question") }
      guard response.answer.series.isSubset(of: ask.series) else {
        throw .malformed("it answers for slots that nobody asked for")
      }
      return response
    case .failure(_, _, let reason):
      throw .refused(code: GRPCStatus.Code.unavailable.rawValue, message: reason, retryAfterSeconds: nil)
    case .request: throw .malformed("a question")
    }
  }
}
