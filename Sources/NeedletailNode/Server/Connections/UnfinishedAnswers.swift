import NeedletailEnvironment

/// Counts answers that are at work, so that a stop can wait for them: what they read from is closed after it.
final class UnfinishedAnswers: Sendable {
  private struct State {
    var count = 0
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Lock(State())

  /// How many answers are at work, and how many wait for their end.
  var load: (answers: Int, waiting: Int) { state.withLock { ($0.count, $0.waiting.count) } }

  func begin() { state.withLock { $0.count += 1 } }

  func end() {
    let waiting: [CheckedContinuation<Void, Never>] = state.withLock { state in
      state.count -= 1
      guard state.count == 0 else { return [] }
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Returns when none is at work.
  func allEnded() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if state.count > 0 { state.waiting.append(continuation) }
        return state.count == 0
      }
      if isOver { continuation.resume() }
    }
  }
}
