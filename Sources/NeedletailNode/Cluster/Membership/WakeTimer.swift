import NeedletailEnvironment

/// Wakes one task at the time that it asked for last.
final class WakeTimer: Sendable {
  private struct State {
    var at = Int64.max
    var task: Task<Void, Never>?
  }

  private let clock: any WallClock
  private let wake: @Sendable () -> Void
  private let state = Lock(State())

  /// `wake` is called at each time that is set, or somewhat later; not where another time was set before it came.
  init(clock: any WallClock, wake: @escaping @Sendable () -> Void) {
    self.clock = clock
    self.wake = wake
  }

  /// Sets the time, in monotonic ns; nil for never.
  func set(_ time: Int64?) {
    let time = time ?? .max
    state.withLock { state in
      guard state.at != time else { return }
      state.task?.cancel()
      state.at = time
      state.task = nil
      guard time < .max else { return }
      // What is overdue may be so for ever: `.min`, of which nothing can be taken away.
      let now = clock.monotonicNanoseconds()
      let delay = time > now ? time &- now : 0
      state.task = Task { [self] in
        guard (try? await Task.sleep(for: .nanoseconds(delay))) != nil, begin(time) else { return }
        wake()
      }
    }
  }

  /// Whether this is still the time that was asked for.
  private func begin(_ time: Int64) -> Bool {
    state.withLock { state in
      guard state.at == time else { return false }
      state.at = .max
      return true
    }
  }
}
