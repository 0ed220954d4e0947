import NeedletailEnvironment

/// What a node replies to one question of a conversation: it may be waited for, and looked at before.
final class PeerReply: Sendable {
  private struct State {
    var answer: Result<[UInt8], PeerError>?
    var nanoseconds: UInt64 = 0
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Lock(State())

  /// What came; nil as long as nothing did.
  var answer: Result<[UInt8], PeerError>? { state.withLock { $0.answer } }

  /// How long it took to come, in ns.
  var nanoseconds: UInt64 { state.withLock { $0.nanoseconds } }

  /// What comes; a task that is cancelled does not wait for it. To be called by one task at a time.
  func value() async -> Result<[UInt8], PeerError> {
    if let answer { return answer }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isThere = state.withLock { state in
          if state.answer == nil { state.waiter = continuation }
          return state.answer != nil
        }
        if isThere { continuation.resume() }
      }
    } onCancel: {
      give(.failure(.givenUp), after: 0)
    }
    return answer ?? .failure(.givenUp)
  }

  /// Gives the answer, which came after so many ns; only the first one counts.
  func give(_ answer: Result<[UInt8], PeerError>, after nanoseconds: UInt64) {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard state.answer == nil else { return nil }
      (state.answer, state.nanoseconds) = (answer, nanoseconds)
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }
}
