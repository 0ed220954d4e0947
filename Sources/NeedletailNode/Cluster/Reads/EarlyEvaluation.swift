import NeedletailEnvironment

/// What one question made of this node's data before others told whether they have the same.
///
/// As long as a question is evaluated early its reads may begin so. One after the other: a question is not evaluated by two
/// at once.
final class EarlyEvaluation: Sendable {
  private struct State {
    var mayBegin = false
    var agreements: [PendingAgreement] = []
  }

  private let state = Lock(State())

  /// Whether a read may begin with what this node has.
  var mayBegin: Bool { state.withLock { $0.mayBegin } }

  func add(_ agreement: PendingAgreement) { state.withLock { $0.agreements.append(agreement) } }

  /// Evaluates with what this node has where that is enough, once others agree; else again as usual.
  func evaluated(_ counters: ReadCounters, _ body: () async throws -> Void) async throws {
    state.withLock { $0 = State(mayBegin: true) }
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    let agreements = state.withLock { state in
      defer { state = State() }
      return state.agreements
    }
    try Task.checkCancellation()
    for agreement in agreements {
      counters.count(\.early)
      guard try await agreement.isReached() else {
        counters.count(\.earlyInVain)
        return try await body()
      }
    }
    try result.get()
  }
}

/// A cursor over what others turned out not to agree on: whatever is made of it is made again.
struct RefutedEarly: Error {}
