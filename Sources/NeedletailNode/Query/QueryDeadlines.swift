import NeedletailEnvironment

/// Ends what runs beyond its time.
///
/// Looked through some times a second instead of with a timer for each query, which would wake two threads for every
/// one. A query that works looks at its deadline itself; this is for those that wait.
final class QueryDeadlines: Sendable {
  private static let interval = Duration.milliseconds(100)

  private struct Entry {
    var deadline: Int64
    var end: @Sendable () -> Void
  }

  private struct State {
    var entries: [UInt64: Entry] = [:]
    var nextID: UInt64 = 0
  }

  private let clock: any WallClock
  private let state = Lock(State())

  init(clock: any WallClock) { self.clock = clock }

  /// Has `end` called soon after `deadline`, in monotonic nanoseconds, unless it is forgotten before.
  func add(_ deadline: Int64, _ end: @escaping @Sendable () -> Void) -> UInt64 {
    state.withLock { state in
      state.nextID += 1
      state.entries[state.nextID] = Entry(deadline: deadline, end: end)
      return state.nextID
    }
  }

  func forget(_ id: UInt64) { _ = state.withLock { $0.entries.removeValue(forKey: id) } }

  /// Ends what is beyond its time at `now`.
  func sweep(_ now: Int64) {
    let due = state.withLock { state in
      let due = state.entries.filter { $0.value.deadline <= now }
      for id in due.keys { state.entries[id] = nil }
      return due.values.map(\.end)
    }
    for end in due { end() }
  }

  /// Sweeps until the task is cancelled.
  func run() async {
    while (try? await Task.sleep(for: Self.interval)) != nil { sweep(clock.monotonicNanoseconds()) }
  }
}
