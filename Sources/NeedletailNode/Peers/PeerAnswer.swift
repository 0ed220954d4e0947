import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// What a call is answered with.
enum PeerAnswer: Sendable {
  case message([UInt8])
  /// Any number, of which the first was made before the answer began; the others are made on the executor.
  case messages(any PeerMessages, first: [UInt8]?, ThreadExecutor)
  /// As many as questions come, each of so many bytes at most and answered at once, until the caller ends the call.
  case conversation(RequestBody, bytesMax: Int, @Sendable ([UInt8]) throws(MalformedBytes) -> [UInt8])
  /// The same, of answers that take their time: many are made at once, and told in the order of their questions.
  case pipeline(RequestBody, bytesMax: Int, PeerPipeline.Answering)

  /// Writes the messages and how the call ended, which is the result: nil where it ended well.
  func write(to writer: any ResponseBodyWriter) async throws -> GRPCStatus? {
    var writer = writer
    var failure: GRPCStatus?
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
          failure = GRPCStatus(answering: error)
          message = nil
        }
      }
    case .conversation(let questions, let bytesMax, let answer):
      failure = try await Self.converse(questions, GRPCDeframer(messageBytesMax: bytesMax), answer, &writer)
    case .pipeline(let questions, let bytesMax, let answer):
      failure = try await PeerPipeline(questions, bytesMax: bytesMax, answer).run(writing: &writer)
    }
    try await writer.finish(failure.map(\.peerTrailers) ?? [.grpcStatus: "0"])
    return failure
  }

  /// So many bytes of answers are written at once.
  private static let answersAtOnce = 64 << 10

  /// The result is how it failed.
  private static func converse(
    _ questions: RequestBody, _ deframer: GRPCDeframer, _ answer: ([UInt8]) throws(MalformedBytes) -> [UInt8],
    _ writer: inout any ResponseBodyWriter
  ) async throws -> GRPCStatus? {
    var deframer = deframer
    for try await piece in questions {
      deframer.append(piece.readableBytesView)
      var answers: [UInt8] = []
      do {
        while let question = try deframer.next() {
          answers += GRPCMessage.framed(try answer(question))
          // A piece may have many questions; whoever does not read what they come to is told no more.
          guard answers.count >= answersAtOnce else { continue }
          try await writer.write(ByteBuffer(bytes: answers))
          answers = []
        }
      } catch let error as PeerError {
        return GRPCStatus(.invalidArgument, PeerService.unreadable + "\(error)")
      } catch let error as MalformedBytes {
        return GRPCStatus(.invalidArgument, PeerService.unreadable + "\(error)")
      }
      if !answers.isEmpty { try await writer.write(ByteBuffer(bytes: answers)) }
    }
    return deframer.isEmpty ? nil : GRPCStatus(.invalidArgument, "the questions end within a message")
  }
}

/// The messages of an answer, made as they are wanted.
protocol PeerMessages: AnyObject, Sendable {
  /// The next message, nil after the last.
  func next() async throws -> [UInt8]?
}

extension GRPCStatus {
  /// How a call ends whose question failed.
  init(_ error: QueryError) {
    switch error.kind {
    case .badData: self.init(.invalidArgument, error.message)
    case .execution: self.init(.resourceExhausted, error.message)
    case .timeout: self.init(.deadlineExceeded, error.message)
    case .canceled: self.init(.cancelled, error.message)
    case .unavailable: self.init(.unavailable, error.message)
    case .notFound, .internal: self.init(.internal, error.message)
    }
  }

  /// How an answer to another node tells it: with what it reads in place of gRPC's details.
  var peerTrailers: HTTPFields {
    var trailers = trailers
    trailers[.grpcStatusDetails] = nil
    trailers[.retryAfter] = retryAfterSeconds.map { String($0) }
    return trailers
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
