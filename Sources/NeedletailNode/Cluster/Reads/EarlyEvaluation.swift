import NeedletailEnvironment

/// What one question made of this node's data before others told whether they have the same.
///
/// As long as a question is evaluated early its reads may begin so. One after the other: a question is not evaluated by two
/// at once.
final class EarlyEvaluation: Sendable {
  private struct State {
    var mayBegin = false
    var agreements: [PendingAgreement] = []
    var waited: UInt64 = 0
  }

  private let state = Lock(State())

  /// Whether a read may begin with what this node has.
  var mayBegin: Bool { state.withLock { $0.mayBegin } }

  /// How long the last evaluation, done, waited for what others say, in ns.
  var waited: UInt64 { state.withLock { $0.waited } }

  func add(_ agreement: PendingAgreement) { state.withLock { $0.agreements.append(agreement) } }

  /// Evaluates with what this node has where that is enough, once others agree; else again as usual.
  ///
  /// In an `InMemoryRun` it is not evaluated again, but refused.
  func evaluated(_ reads: ClusterReads, _ body: () async throws -> Void) async throws {
    let counters = reads.counters
    state.withLock { $0 = State(mayBegin: true) }
    var result: Result<Void, any Error>?
    do { result = .success(try await body()) } catch is RefutedEarly {
      // A result it is never, whatever others say.
    } catch { result = .failure(error) }
    let agreements = state.withLock { state in
      defer { state = State() }
      return state.agreements
    }
    counters.count(\.early, times: agreements.count)
    try Task.checkCancellation()
    // Whatever others say, it is done over elsewhere.
    if let run = InMemoryRun.current, run.hasRefused {
      try result?.get()
      return try Self.refuse(run)
    }
    let began = reads.now
    for agreement in agreements where result != nil {
      if try await !agreement.isReached() { result = nil }
    }
    state.withLock { $0.waited = reads.now &- began }
    if let result { return try result.get() }
    counters.count(\.earlyInVain, times: agreements.count)
    if let run = InMemoryRun.current { try Self.refuse(run) }
    try await body()
  }

  private static func refuse(_ run: InMemoryRun) throws {
    run.refuse()
    throw CancellationError()
  }
}

/// A cursor over what others turned out not to agree on: whatever is made of it is made again.
struct RefutedEarly: Error {}
