import Synchronization

/// A query's place among those that may run at once.
///
/// It is held while the query runs and while its answer is written: an answer takes as much memory while a slow client
/// reads it as it did before. It is given back by `leave`, or when nobody holds it any more.
final class QueryPlace: Sendable {
  private let giveBack: @Sendable () -> Void
  private let hasLeft = Atomic(false)

  init(_ giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }

  /// Gives the place back; a second time does nothing.
  func leave() {
    if !hasLeft.exchange(true, ordering: .relaxed) { giveBack() }
  }

  deinit { leave() }
}
