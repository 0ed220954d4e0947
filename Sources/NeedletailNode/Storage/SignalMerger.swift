import NeedletailEnvironment

/// Merges the parts of one signal, for one caller at a time.
///
/// Whoever finds another merging is told so instead of waiting for it: a merge may take minutes, and only the caller
/// knows whether it is worth that.
final class SignalMerger: Sendable {
  /// What is merged: `logs`, `spans`, `metrics`.
  let signal: String
  private let body: MergeLoop.Merge
  private let isBusy = Lock(false)

  init(_ signal: String, _ body: @escaping MergeLoop.Merge) {
    self.signal = signal
    self.body = body
  }

  /// Merges what there is to merge; returns how many parts there are fewer, nil where another caller is merging.
  ///
  /// Blocks, and throws soon after its task is cancelled.
  func merge() throws -> Int? {
    let isMine = isBusy.withLock { isBusy in
      defer { isBusy = true }
      return !isBusy
    }
    guard isMine else { return nil }
    defer { isBusy.withLock { $0 = false } }
    let fewer = try body()
    if fewer > 0 { FreeMemory.giveBack() }
    return fewer
  }
}
