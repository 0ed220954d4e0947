import NeedletailEnvironment

/// Remembers which queries took little time: these may run where their request came in, which saves the way to a thread
/// and back.
///
/// Only what was measured counts: what a query will cost cannot be told from its text. One that cannot be had in memory
/// is tried again ever less often. Flat memory; a query may push out another one's memory.
final class SmallQueries: Sendable {
  /// On a thread a query must have taken less, in ns: what a query keeps others on its event loop waiting for.
  static let smallNanoseconds: Int64 = 300_000
  /// On an event loop one that takes so much, in ns, is small no more; more, so that what is near the limit stays where
  /// it is.
  static let largeNanoseconds: Int64 = 1_000_000
  private static let count = 4096
  private static let failuresMax: UInt8 = 10

  private struct Entry {
    /// The query's number; 0 for none.
    var query = 0
    /// How often in a row it did not do to run it in place.
    var failures: UInt8 = 0
    /// How often it must be small on a thread before it is tried in place again.
    var pause: UInt16 = 0
  }

  private let entries = Lock([Entry](repeating: Entry(), count: count))

  /// Whether a query may be tried in place.
  func contains(_ query: Int) -> Bool {
    withEntry(query) { $0.query == query && $0.pause == 0 }
  }

  /// Takes note of what a query took on a thread.
  func ran(_ query: Int, nanoseconds: Int64) {
    withEntry(query) { entry in
      let isKnown = entry.query == query
      guard nanoseconds < Self.smallNanoseconds else {
        if isKnown { entry = Entry() }
        return
      }
      if !isKnown { entry = Entry(query: query) } else if entry.pause > 0 { entry.pause -= 1 }
    }
  }

  /// Takes note of what a query took in place.
  func ranInPlace(_ query: Int, nanoseconds: Int64) {
    guard nanoseconds < Self.largeNanoseconds else { return failedInPlace(query) }
    withEntry(query) { entry in
      if entry.query == query { entry.failures = 0 }
    }
  }

  /// Takes note that a query could not be answered in place.
  func failedInPlace(_ query: Int) {
    withEntry(query) { entry in
      guard entry.query == query else { return }
      entry.failures = min(entry.failures + 1, Self.failuresMax)
      entry.pause = 1 << UInt16(entry.failures)
    }
  }

  private func withEntry<Result>(_ query: Int, _ body: (inout Entry) -> sending Result) -> sending Result {
    entries.withLock { body(&$0[Int(UInt(bitPattern: query) % UInt(Self.count))]) }
  }
}
