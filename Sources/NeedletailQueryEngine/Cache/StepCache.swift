import NeedletailEnvironment
import NeedletailTelemetry

/// Keeps the finished steps of range queries, so that a dashboard which asks again a little later has only the new ones
/// worked out.
///
/// Steps are used only while the source tells that nothing they looked at has changed. Bounded in bytes; what was used
/// longest ago goes first.
package final class StepCache: Sendable {
  /// What makes two range queries one, but for where they start and end.
  struct Key: Hashable, Sendable {
    var tenant: TenantID
    var text: String
    var interval: Int64
    /// The start modulo the interval.
    var phase: Int64
    var lookback: Int64
    var subqueryResolution: Int64
  }

  /// What is kept, and how often steps were there.
  package struct Statistics: Sendable, Equatable {
    /// About what is kept, in bytes.
    package var bytes = 0
    /// Queries of which some steps were there.
    package var hits: UInt64 = 0
    /// Queries that could have been kept and were not there.
    package var misses: UInt64 = 0
  }

  private struct Entry {
    var steps: FinishedSteps
    var bytes: Int
    /// When it was asked for last, as a number that counts the questions.
    var used: UInt64
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    var clock: UInt64 = 0
    var statistics = Statistics()
  }

  private let bytesMax: Int
  private let state = Lock(State())

  /// A cache of at most so many bytes.
  package init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// What the cache holds and how it is used.
  package var statistics: Statistics { state.withLock { $0.statistics } }

  func find(_ key: Key) -> FinishedSteps? {
    state.withLock { state in
      state.clock += 1
      state.entries[key]?.used = state.clock
      return state.entries[key]?.steps
    }
  }

  /// Counts a query of which some steps were there, or none.
  func count(isHit: Bool) {
    state.withLock { state in
      if isHit { state.statistics.hits += 1 } else { state.statistics.misses += 1 }
    }
  }

  /// Keeps steps in place of those that were kept under the key.
  func keep(_ steps: FinishedSteps, _ key: Key) {
    let bytes = steps.byteCount + key.text.utf8.count + 256
    state.withLock { state in
      if let old = state.entries.removeValue(forKey: key) { state.statistics.bytes -= old.bytes }
      // A single answer may not push out all others.
      guard bytes <= bytesMax / 4 else { return }
      state.entries[key] = Entry(steps: steps, bytes: bytes, used: state.clock)
      state.statistics.bytes += bytes
      while state.statistics.bytes > bytesMax, let oldest = state.entries.min(by: { $0.value.used < $1.value.used }) {
        state.entries[oldest.key] = nil
        state.statistics.bytes -= oldest.value.bytes
      }
    }
  }
}
