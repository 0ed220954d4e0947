import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailCollector
import NeedletailQueryEngine
import NeedletailTelemetry

/// What other nodes may ask of this one: to keep batches, and to tell of the series that it has.
struct PeerService: Sendable {
  /// How the refusal of a message that cannot be read begins.
  static let unreadable = "the message cannot be read: "

  let sink: any BatchSink
  /// Over what this node itself holds, and with a gate and threads that the questions of users do not take: a node that
  /// waits for another while it is waited for would have both wait for good.
  let queries: QueryService
  /// The memory for bodies, which batches of clients take too.
  let budget: IngestBudget
  /// That of messages about who is there: however much clients send, members hear of each other.
  private let members = IngestBudget(bytesMax: 32 << 20)
  /// Nil where the node belongs to no cluster.
  var cluster: (any ClusterPeer)?
  /// What this node tells of all that it took in; nil where it tells nothing.
  var ledger: LedgerService?

  /// The answer to a call, as its messages; throws `GRPCStatus`.
  func answer(_ method: PeerMethod, _ request: Request, _ context: ConnectionContext) async throws -> PeerAnswer {
    if method.staysOpen { return try conversation(method, request) }
    let message = try GRPCMessage(
      body: try await request.collectedBody(
        bytesMax: method.questionBytesMax + GRPCMessage.prefixBytes, budget: method.isOfMembers ? members : budget,
        pace: BodyPace(clock: queries.clock)))
    guard !message.isCompressed else { throw GRPCStatus(.unimplemented, "messages between nodes are not compressed") }
    do {
      if method.isOfCluster {
        return try await member.answer(method, message.bytes, context)
      }
      if method == .ledger {
        guard let ledger else { throw GRPCStatus(.unimplemented, "this node keeps no ledger") }
        guard message.bytes.isEmpty else { throw MalformedBytes.invalid("a question where none was expected") }
        return .message(await ledger.own().encoded)
      }
      if method == .append { return .message(try await append(message.bytes)) }
      return try await ask(method, message.bytes, context)
    } catch let error as MalformedBytes {
      throw GRPCStatus(.invalidArgument, Self.unreadable + "\(error)")
    } catch let error as QueryError {
      throw GRPCStatus(error)
    }
  }

  /// What answers for the cluster; throws `GRPCStatus` where there is none.
  private var member: any ClusterPeer {
    get throws {
      guard let cluster else {
        throw GRPCStatus(.unimplemented, "this node belongs to no cluster: start it with --node")
      }
      return cluster
    }
  }

  /// A call whose questions are answered while they come.
  private func conversation(_ method: PeerMethod, _ request: Request) throws -> PeerAnswer {
    let member = try member
    if method == .known {
      return .conversation(request.body, bytesMax: method.questionBytesMax) { question throws(MalformedBytes) in
        try member.known(question)
      }
    }
    return .pipeline(request.body, bytesMax: method.questionBytesMax) { [budget] message throws(MalformedBytes) in
      guard budget.reserve(message.count) else { return nil }
      defer { budget.release(message.count) }
      return try await member.answer(method, of: message)
    }
  }

  private func append(_ message: [UInt8]) async throws -> [UInt8] {
    let outcome: Result<SinkOutcome, SinkError>
    let content = try AppendMessage.decode(message)
    do throws(SinkError) {
      switch content {
      case .series(let batch, let definitions):
        outcome = .success(try await sink.append(series: batch, definitions: definitions))
      case .definitions(let definitions):
        try await sink.append(definitions: definitions)
        outcome = .success(SinkOutcome())
      case .events(let batch): outcome = .success(try await sink.append(events: batch))
      }
    } catch { outcome = .failure(error) }
    return AppendMessage.encode(outcome)
  }

  /// What a question says, which is read on the thread that answers it: its regular expressions are compiled.
  private static func read<Question>(_ decode: () throws(MalformedBytes) -> Question) throws(QueryError) -> Question {
    do throws(MalformedBytes) { return try decode() } catch {
      throw QueryError(.badData, "the message cannot be read: \(error)")
    }
  }

  private func ask(_ method: PeerMethod, _ message: [UInt8], _ context: ConnectionContext) async throws -> PeerAnswer {
    if method == .select {
      let answer = try await queries.run(for: context) { [losses = queries.losses] engine in
        let selection = try Self.read { () throws(MalformedBytes) in try SelectionMessage.decode(message) }
        let messages = SelectionAnswer(try await engine.series.select(selection), losses: losses)
        return (messages: messages, first: try await messages.next())
      }
      return .messages(answer.messages, first: answer.first, queries.executor)
    }
    let list = try await queries.run(for: context) { engine in
      let (scope, limit, name) = try Self.read { () throws(MalformedBytes) in
        try SelectionMessage.decodeScope(message)
      }
      switch method {
      case .labelNames: return ListMessage.encode(try await engine.series.labelNames(scope, limit: limit))
      case .labelValues: return ListMessage.encode(try await engine.series.labelValues(name, scope, limit: limit))
      case .series: return ListMessage.encode(try await engine.series.series(scope, limit: limit))
      default:
        let metric = name.isEmpty ? nil : name
        return ListMessage.encode(
          try await engine.series.metadata(tenant: scope.tenant, metric: metric, limit: limit))
      }
    }
    guard list.count <= ListMessage.bytesMax else {
      throw GRPCStatus(.resourceExhausted, "the list has more than \(ListMessage.bytesMax) bytes; ask for less of it")
    }
    return .message(list)
  }
}
