import NeedletailEnvironment

/// Lets a disk stand still in the middle of what is being tested, at each of its calls, for as long as others work: what
/// does not come to its end then waits for the disk.
///
/// Tell it of each call on the thread that makes it (`meet`), and `end` it when the work is done.
package final class Standstill: Sendable {
  private struct State {
    var calls: [String] = []
    var isStanding = false
    var stuckAt: String?
    var others: [OwnThread] = []
  }

  private let others: @Sendable () -> Void
  /// So long nobody has to wait who waits for no disk, however busy the machine is.
  private let millisecondsMax: Int
  private let state = Lock(State())

  /// A disk that moves; `others` is what must come to its end on a thread of its own whenever the disk stands still.
  package init(millisecondsMax: Int = 60_000, _ others: @escaping @Sendable () -> Void) {
    self.others = others
    self.millisecondsMax = millisecondsMax
  }

  /// The calls at which the disk stood still, by their names.
  package var calls: [String] { state.withLock { $0.calls } }

  /// The call that the others waited for; nil where they always came to their end.
  ///
  /// It is the first one: the disk moved on from there.
  package var stuckAt: String? { state.withLock { $0.stuckAt } }

  /// Lets the disk stand still before a call of that name.
  ///
  /// Calls that the others make themselves are passed over, and all once they were stuck.
  package func meet(_ call: String) {
    let stands = state.withLock { state in
      if state.isStanding || state.stuckAt != nil { return false }
      state.isStanding = true
      state.calls.append(call)
      return true
    }
    guard stands else { return }
    let isDone = Lock(false)
    let bell = WakeSignal()
    let thread = OwnThread { [others] in
      others()
      isDone.withLock { $0 = true }
      bell.ring()
    }
    bell.wait(milliseconds: millisecondsMax)
    let isStuck = !isDone.withLock { $0 }
    state.withLock { state in
      state.isStanding = false
      if isStuck { state.stuckAt = call }
      if let thread { state.others.append(thread) }
    }
  }

  /// Waits until the others have ended, which they do once the disk moves.
  package func end() {
    let threads = state.withLock { state in
      defer { state.others = [] }
      return state.others
    }
    for thread in threads { thread.join() }
  }
}
