import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailCollector
import NeedletailQueryEngine
import NeedletailTelemetry

/// What other nodes may ask of this one: to keep batches, and to tell of the series that it has.
struct PeerService: Sendable {
  /// The largest question: selectors and their texts.
  private static let questionBytesMax = 1 << 20

  let sink: any BatchSink
  let queries: QueryService

  /// The answer to a call, as its messages; throws `GRPCStatus`.
  func answer(_ method: PeerMethod, _ request: Request, _ context: ConnectionContext) async throws -> PeerAnswer {
    let bytesMax = method == .append ? AppendMessage.bytesMax : Self.questionBytesMax
    let message = try GRPCMessage(
      body: try await request.collectedBody(bytesMax: bytesMax + GRPCMessage.prefixBytes))
    guard !message.isCompressed else { throw GRPCStatus(.unimplemented, "messages between nodes are not compressed") }
    do {
      if method == .append { return .message(try await append(message.bytes)) }
      return try await ask(method, message.bytes, context)
    } catch let error as MalformedBytes {
      throw GRPCStatus(.invalidArgument, "the message cannot be read: \(error)")
    } catch let error as QueryError {
      throw GRPCStatus(error)
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

  private func ask(_ method: PeerMethod, _ message: [UInt8], _ context: ConnectionContext) async throws -> PeerAnswer {
    if method == .select {
      let answer = try await queries.run(for: context) { engine in
        let cursor = try await engine.series.select(try SelectionMessage.decode(message))
        let messages = SelectionAnswer(cursor)
        return (messages: messages, first: try await messages.next())
      }
      return .messages(answer.messages, first: answer.first, queries.executor)
    }
    let list = try await queries.run(for: context) { engine in
      let (scope, limit, name) = try SelectionMessage.decodeScope(message)
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

/// What a call is answered with.
enum PeerAnswer: Sendable {
  case message([UInt8])
  /// Any number, of which the first was made before the answer began; the others are made on the executor.
  case messages(SelectionAnswer, first: [UInt8]?, ThreadExecutor)

  /// Writes the messages and how the call ended.
  func write(to writer: any ResponseBodyWriter) async throws {
    var writer = writer
    var trailers: HTTPFields = [.grpcStatus: "0"]
    switch self {
    case .message(let bytes): try await writer.write(pieces: GRPCMessage.framed(bytes))
    case .messages(let answer, let first, let executor):
      var message = first
      while let bytes = message {
        try await writer.write(pieces: GRPCMessage.framed(bytes))
        do {
          // Reading waits for the disk, which the connection's thread must not.
          message = try await withTaskExecutorPreference(executor) { try await answer.next() }
        } catch {
          trailers = GRPCStatus(answering: error).trailers
          message = nil
        }
      }
    }
    try await writer.finish(trailers)
  }
}

/// The messages of a selection, made as they are wanted.
///
/// `@unchecked Sendable`: one task at a time uses it. Whoever writes the answer asks for a message when the one before is
/// written, and whoever makes the first one is done with it before.
final class SelectionAnswer: @unchecked Sendable {
  private let cursor: any SeriesCursor
  private var writer = SeriesMessageWriter()
  private var ready: [[UInt8]] = []
  private var isAtEnd = false

  init(_ cursor: any SeriesCursor) { self.cursor = cursor }

  /// The next message, nil after the last.
  func next() async throws -> [UInt8]? {
    while ready.isEmpty, !isAtEnd {
      try Task.checkCancellation()
      if let chunk = try await cursor.next() {
        writer.append(chunk) { ready.append($0) }
      } else {
        writer.end(cursor.coverage, cursor.work)
        ready.append(writer.take())
        isAtEnd = true
      }
    }
    return ready.isEmpty ? nil : ready.removeFirst()
  }
}

extension GRPCStatus {
  /// How a call ends whose question failed.
  init(_ error: QueryError) {
    switch error.kind {
    case .badData: self.init(.invalidArgument, error.message)
    case .execution: self.init(.resourceExhausted, error.message)
    case .timeout: self.init(.deadlineExceeded, error.message)
    case .canceled: self.init(.cancelled, error.message)
    case .notFound, .internal: self.init(.internal, error.message)
    }
  }

  /// How a call ends that failed in any way.
  init(answering error: any Error) {
    switch error {
    case let status as GRPCStatus: self = status
    case let error as QueryError: self.init(error)
    case is CancellationError: self.init(.unavailable, "the server is stopping", retryAfterSeconds: 1)
    default: self.init(.cancelled, "the call ended early")
    }
  }
}
