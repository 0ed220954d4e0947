import HummingbirdCore
import NIOCore
import NeedletailEnvironment
import NeedletailTelemetry

/// A call that stays open for questions whose answers take their time.
///
/// So many are worked on at once; beyond them no more is read, and HTTP/2's window makes the caller wait.
struct PeerPipeline: Sendable {
  /// Nil where the question is to be asked by a call of its own.
  typealias Answering = @Sendable ([UInt8]) async throws(MalformedBytes) -> [UInt8]?

  private let questions: RequestBody
  private let bytesMax: Int
  private let answer: Answering
  private let answers = OrderedAnswers(atOnce: 64)

  /// Of questions of so many bytes at most.
  init(_ questions: RequestBody, bytesMax: Int, _ answer: @escaping Answering) {
    self.questions = questions
    self.bytesMax = bytesMax
    self.answer = answer
  }

  /// Answers until the caller ends the call; the result is how it failed.
  func run(writing writer: inout any ResponseBodyWriter) async throws -> GRPCStatus? {
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Where nobody takes answers any more, nobody waits for a place for one.
      defer { answers.end(nil) }
      group.addTask {
        do {
          answers.end(try await read())
        } catch {
          answers.end(nil)
          throw error
        }
      }
      while let bytes = await answers.next() { try await writer.write(ByteBuffer(bytes: bytes)) }
      if let failure = answers.failure {
        group.cancelAll()
        return failure
      }
      try await group.waitForAll()
      return nil
    }
  }

  /// Begins an answer for each question; the result is what was wrong with one.
  private func read() async throws -> GRPCStatus? {
    var deframer = GRPCDeframer(messageBytesMax: bytesMax)
    return try await withThrowingDiscardingTaskGroup { group in
      for try await piece in questions {
        deframer.append(piece.readableBytesView)
        do throws(PeerError) {
          while !answers.isOver, let question = try deframer.next() {
            let place = await answers.place()
            group.addTask { await make(place, question) }
          }
        } catch {
          return Self.unreadable("\(error)")
        }
      }
      return deframer.isEmpty ? nil : GRPCStatus(.invalidArgument, "the questions end within a message")
    }
  }

  /// One question that cannot be read, or finds no room, does not end the call of all others.
  private func make(_ place: Int, _ question: [UInt8]) async {
    let answer = try? await answer(question)
    answers.give(GRPCMessage.framed(answer.map { [Self.told] + $0 } ?? [Self.notTold]), at: place)
  }

  // What stands ahead of an answer.
  private static let told: UInt8 = 0
  private static let notTold: UInt8 = 1

  /// The answer in a message; nil where the question is to be asked by a call of its own.
  static func answer(_ message: [UInt8]) -> [UInt8]? { message.first == told ? Array(message.dropFirst()) : nil }

  private static func unreadable(_ reason: String) -> GRPCStatus {
    GRPCStatus(.invalidArgument, PeerService.unreadable + reason)
  }
}
