import NeedletailEnvironment

/// Work in the background that keeps to a pace: whoever does it says what was read and written, and is held up where
/// that was too much.
///
/// It is the thread of the work alone that waits; nothing that others may want is to be held meanwhile. A pause ends
/// when the work's task is cancelled, or when somebody hurries the work. Merges of one engine after the other share
/// one, so that the limits are those of all together.
package final class PacedWork: Sendable {
  /// What was done since the start.
  package struct Statistics: Equatable, Sendable {
    /// Bytes read and written.
    package var bytes: UInt64 = 0
    package var pausedNanoseconds: UInt64 = 0
  }

  fileprivate struct State {
    var pace: WorkPace
    /// When what was done last had been told, on the monotonic clock.
    var since: Int64
    /// How many want the work done without pauses.
    var hurried = 0
    var statistics = Statistics()
  }

  /// How long it waits at once: what a cancelled task takes longer to end.
  private static let slice: Int64 = 20_000_000

  private let clock: any WallClock
  private let wait: @Sendable (Int64) -> Void
  private let state: Lock<State>

  /// `wait` blocks the calling thread for about so many nanoseconds.
  package init(
    _ limits: WorkLimits, clock: any WallClock,
    wait: @escaping @Sendable (Int64) -> Void = { OwnThread.sleep(nanoseconds: $0) }
  ) {
    self.clock = clock
    self.wait = wait
    state = Lock(State(pace: WorkPace(limits), since: clock.monotonicNanoseconds()))
  }

  /// Work begins again: the time since the last of it was none.
  package func begin() {
    let now = clock.monotonicNanoseconds()
    state.withLock { $0.rest(until: now) }
  }

  /// So many bytes were read or written: blocks for as long as the work is to pause.
  ///
  /// Ends soon after the task is cancelled; it is the caller who looks whether it was.
  package func did(bytes: Int) {
    let started = clock.monotonicNanoseconds()
    let pause = state.withLock { $0.work(bytes, until: started) }
    guard pause > 0 else { return }
    var now = started
    while now &- started < pause, !Task.isCancelled, state.withLock({ $0.hurried == 0 }) {
      wait(min(Self.slice, pause &- (now &- started)))
      now = clock.monotonicNanoseconds()
    }
    state.withLock { [now] state in
      state.rest(until: now)
      state.statistics.pausedNanoseconds &+= UInt64(clamping: now &- started)
    }
  }

  /// Does without pauses, a present one included, until `relax`; may be called by several, each for itself.
  package func hurry() { state.withLock { $0.hurried += 1 } }

  /// Takes back one `hurry`.
  package func relax() {
    let now = clock.monotonicNanoseconds()
    state.withLock { state in
      state.hurried = max(0, state.hurried - 1)
      // What was done in a hurry is not to be made up for.
      state.since = now
    }
  }

  package var statistics: Statistics { state.withLock { $0.statistics } }
}

extension PacedWork.State {
  /// Counts work; returns how long to pause.
  fileprivate mutating func work(_ bytes: Int, until now: Int64) -> Int64 {
    statistics.bytes &+= UInt64(clamping: bytes)
    let took = now &- since
    since = now
    return hurried > 0 ? 0 : pace.worked(bytes: bytes, nanoseconds: took)
  }

  fileprivate mutating func rest(until now: Int64) {
    pace.paused(nanoseconds: now &- since)
    since = now
  }
}
