import NeedletailCluster
import NeedletailTelemetry

/// A write on its way to one replica, and what becomes of it.
enum ReplicaCall {
  /// The largest answer, in bytes.
  private static let answerBytesMax = 1_024

  /// Why a replica did not take a write; `reason` where it never will.
  struct Failure: Error, Equatable, Sendable {
    var failure: ReplicaFailure
    var reason: WriteRefusal.Reason?

    init(_ failure: ReplicaFailure) { self.failure = failure }

    init(refusal: WriteRefusal) {
      failure = refusal.failure
      if case .forGood(let reason) = refusal { self.reason = reason }
    }
  }

  /// Sends a message about a write and waits for its answer; returns when the node has it on disk.
  static func send(
    _ message: [UInt8], of write: WriteID, attempt: UInt8, over channel: PeerChannel?, within nanoseconds: Int64
  ) async throws(Failure) {
    guard let channel else { throw Failure(.unreachable) }
    let bytes: [UInt8]
    do throws(PeerError) {
      bytes = try await channel.deliver(
        .write, message, within: .nanoseconds(nanoseconds), answerBytesMax: answerBytesMax)
    } catch {
      throw Failure(ReplicaFailure(error))
    }
    // What cannot be read, or speaks of something else, says nothing: the write may be stored or not.
    guard let answer = try? WriteMessage(decoding: bytes) else { throw Failure(.timedOut) }
    switch answer {
    case .acknowledge(write, attempt): return
    case .refuse(write, attempt, let refusal): throw Failure(refusal: refusal)
    default: throw Failure(.timedOut)
    }
  }
}

extension ReplicaFailure {
  /// What a call that was not answered says of the replica.
  init(_ error: PeerError) {
    switch error {
    case .unreachable: self = .unreachable
    case .timedOut, .malformed: self = .timedOut
    case .refused(let code, _, let retryAfterSeconds):
      switch GRPCStatus.Code(rawValue: code) {
      case .unavailable: self = .overloaded(retryAfterMilliseconds: min(retryAfterSeconds ?? 0, 3_600) * 1_000)
      case .resourceExhausted, .invalidArgument: self = .refused
      default: self = .unreachable
      }
    }
  }
}
