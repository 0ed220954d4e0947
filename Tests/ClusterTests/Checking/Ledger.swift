import NeedletailEnvironment

/// What the writers of one run sent, and what was acknowledged to them.
final class Ledger: Sendable {
  struct Books: Sendable {
    var attempted: Set<Entry> = []
    var acknowledged: Set<Entry> = []
    /// Requests that were answered with a status by which a sender gives up. There are none for good data.
    var refusals: [String] = []
    /// Requests that had to be sent again.
    var retries = 0
  }

  private let state = Lock(Books())

  var books: Books { state.withLock { $0 } }

  func attempt(_ entries: [Entry]) { state.withLock { $0.attempted.formUnion(entries) } }
  func acknowledge(_ entries: [Entry]) { state.withLock { $0.acknowledged.formUnion(entries) } }
  func retry() { state.withLock { $0.retries += 1 } }

  func refuse(_ answer: String) { state.withLock { if $0.refusals.count < 20 { $0.refusals.append(answer) } } }

  /// What was acknowledged of one signal, or of one of its series.
  func acknowledged(_ signal: Entry.Signal, series: Int? = nil) -> Set<Entry> {
    state.withLock { books in
      books.acknowledged.filter { $0.signal == signal && (series == nil || $0.series == series) }
    }
  }
}
