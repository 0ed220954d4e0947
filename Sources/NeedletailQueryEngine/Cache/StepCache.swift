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
    /// Bytes, as strings are equal where they look alike, and label values are not.
    var text: [UInt8]
    var interval: Int64
    /// The start modulo the interval.
    var phase: Int64
    var lookback: Int64
    var subqueryResolution: Int64
    var features: QueryFeatures
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

  /// What an entry takes beside its grid and text, about; also what bounds their number.
  private static let entryBytes = 1024

  private let bytesMax: Int
  private let state = Lock(State())

  /// A cache of at most so many bytes.
  package init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// The most bytes of one entry: a single answer may not push out all others.
  var entryBytesMax: Int { bytesMax / 4 }

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
    let bytes = steps.byteCount + key.text.count + Self.entryBytes
    state.withLock { state in
      if let old = state.entries.removeValue(forKey: key) { state.statistics.bytes -= old.bytes }
      guard bytes <= entryBytesMax else { return }
      state.entries[key] = Entry(steps: steps, bytes: bytes, used: state.clock)
      state.statistics.bytes += bytes
      if state.statistics.bytes > bytesMax { Self.evict(&state, to: bytesMax - bytesMax / 8) }
    }
  }

  /// Drops what was used longest ago; more of it than need be, so that sorting pays.
  private static func evict(_ state: inout State, to bytes: Int) {
    let sorted = state.entries.map { (key: $0.key, used: $0.value.used) }.sorted { $0.used < $1.used }
    for entry in sorted where state.statistics.bytes > bytes {
      if let old = state.entries.removeValue(forKey: entry.key) { state.statistics.bytes -= old.bytes }
    }
  }
}
