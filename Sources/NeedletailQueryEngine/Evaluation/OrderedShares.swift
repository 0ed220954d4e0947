import NeedletailEnvironment

// Shares of a selection are many and small; tasks take one after the other, and what they make of them goes into the
// target in the order of the shares. Nobody runs far ahead of the first share that has not come, so that little is held
// however large the selection is and however long one share takes.

/// Hands out shares to tasks, and puts together what they come to.
final class OrderedShares: Sendable {
  /// What became of a share.
  struct Outcome: Sendable {
    var portion: Evaluation.Portion
    /// The groups of its rows, where these go into groups.
    var groups: RowGroups?
    var annotations = Annotations()
    var coverage = Coverage.complete
  }

  /// What a task does next.
  enum Turn: Sendable {
    /// Reads the share at a place, into a portion without rows.
    case share(Int, Evaluation.Portion)
    /// Waits until a share that came before is there.
    case wait
    /// Nothing: there is no share left, or a task has failed.
    case none
  }

  /// What all of them came to.
  struct Summary: Sendable {
    /// Nil only where a task has failed.
    var target: PortionTarget?
    var annotations = Annotations()
    var coverage = Coverage.complete
    /// The most values that were held at once.
    var cellsMax = 0
  }

  private struct State {
    var summary: Summary
    /// The next share to be read, and the next to go into the target.
    var next = 0
    var done = 0
    var outcomes: [Int: Outcome] = [:]
    var cells = 0
    /// Portions that were used, for the room that they have.
    var spare: [Evaluation.Portion] = []
    var hasFailed = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let count: Int
  private let window: Int
  private let width: Int
  private let rows: Int
  private let state: Lock<State>

  /// So many shares of rows of `width` steps, of which at most `window` are on their way at any time, and which have
  /// about so many rows in all.
  init(count: Int, window: Int, width: Int, rows: Int, into target: PortionTarget) {
    self.count = count
    self.window = max(1, window)
    self.width = width
    self.rows = rows
    state = Lock(State(summary: Summary(target: target)))
  }

  /// What to do now.
  func turn() -> Turn {
    state.withLock { state in
      guard !state.hasFailed, state.next < count else { return .none }
      guard state.next - state.done < window else { return .wait }
      state.next += 1
      return .share(state.next - 1, state.spare.popLast() ?? Evaluation.Portion(width: width))
    }
  }

  /// Waits until a turn may be another than `wait`.
  ///
  /// The first of the shares that have not come is on its way whenever it does, so that the wait ends.
  func waitForTurn() async {
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state in
        guard !state.hasFailed, state.next < count, state.next - state.done >= window else { return false }
        state.waiting.append(continuation)
        return true
      }
      if !waits { continuation.resume() }
    }
  }

  /// Takes what a share came to, and adds to the target what can be added now: one task at a time does, also for others.
  func add(_ outcome: consuming Outcome, at place: Int) throws(GroupFold.Unfit) {
    // Whoever adds to the target must be the only one to have it, or all of it would be copied: it is moved.
    var target: PortionTarget?
    var next: Outcome? = consume outcome
    state.withLock { state in
      state.cells += next?.portion.cellCount ?? 0
      state.outcomes[place] = next.take()
      Self.moveNext(&state, &target, &next)
    }
    while var current = next.take() {
      let cells = current.portion.cellCount
      try add(current, to: &target)
      current.portion.clear()
      next = current
      let waiting = state.withLock { state in
        state.cells -= cells
        state.done += 1
        swap(&state.summary.target, &target)
        if let added = next.take() {
          state.summary.annotations.add(added.annotations)
          state.summary.coverage.merge(added.coverage)
          state.spare.append(added.portion)
        }
        Self.moveNext(&state, &target, &next)
        defer { state.waiting = [] }
        return state.waiting
      }
      for continuation in waiting { continuation.resume() }
    }
  }

  /// Moves the target out, and what is to be added to it, if nobody else has it and the next outcome is there.
  private static func moveNext(_ state: inout State, _ target: inout PortionTarget?, _ next: inout Outcome?) {
    guard let free = state.summary.target else { return }
    state.summary.cellsMax = max(state.summary.cellsMax, state.cells + free.cellCount)
    next = state.outcomes.removeValue(forKey: state.done)
    if next != nil { swap(&state.summary.target, &target) }
  }

  /// Adds the rows of a share.
  private func add(_ outcome: Outcome, to target: inout PortionTarget?) throws(GroupFold.Unfit) {
    switch target.take() {
    case .rows(var all):
      if all.grid.count == 0 { all.grid.reserve(rows: rows) }
      all.append(outcome.portion)
      target = .rows(all)
    case .groups(var fold):
      if let groups = outcome.groups { try fold.add(outcome.portion, groups) }
      target = .groups(fold)
    case nil: break
    }
  }

  /// Ends it for all tasks, because one has failed.
  func fail() {
    let waiting = state.withLock { state in
      state.hasFailed = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  /// What all shares came to, when all tasks have ended.
  func takeSummary() -> Summary {
    state.withLock { state in
      defer { state.summary = Summary() }
      return state.summary
    }
  }
}
