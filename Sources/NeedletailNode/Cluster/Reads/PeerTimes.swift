import NeedletailCluster
import NeedletailEnvironment

/// How long nodes take to begin an answer, and which of them just failed: whom a read asks first, and when it asks
/// another one too.
///
/// Mean and mean deviation are smoothed as TCP smooths its round trips (RFC 6298): the mean and three deviations are
/// more than nearly all answers take.
final class PeerTimes: Sendable {
  /// Between these an answer is taken for late, in ns.
  static let lateMin: UInt64 = 20_000_000
  static let lateMax: UInt64 = 2_000_000_000
  /// After how much it is as long as nothing is known.
  static let lateAtFirst: UInt64 = 200_000_000
  /// For how long a node whose answer broke off is asked last, in ns.
  static let shunnedFor: UInt64 = 10_000_000_000

  private struct Entry {
    var mean: UInt64
    var deviation: UInt64
    var shunnedUntil: UInt64 = 0
  }

  private let entries = Lock<[NodeID: Entry]>([:])

  /// An answer of a node began after so many ns.
  func answered(_ node: NodeID, after time: UInt64) {
    entries.withLock { entries in
      let time = min(time, Self.lateMax * 16)
      guard var entry = entries[node], entry.mean > 0 else {
        entries[node] = Entry(mean: max(1, time), deviation: time / 2, shunnedUntil: entries[node]?.shunnedUntil ?? 0)
        return
      }
      let difference = time > entry.mean ? time - entry.mean : entry.mean - time
      entry.deviation = (entry.deviation * 3 + difference) / 4
      entry.mean = max(1, (entry.mean * 7 + time) / 8)
      entries[node] = entry
    }
  }

  /// A node did not answer, or its answer broke off: others come first for a while.
  func failed(_ node: NodeID, at now: UInt64) {
    entries.withLock { entries in
      entries[node, default: Entry(mean: 0, deviation: 0)].shunnedUntil = now.addingClamped(Self.shunnedFor)
    }
  }

  func forget(_ node: NodeID) { entries.withLock { _ = $0.removeValue(forKey: node) } }

  /// Whether a node failed not long ago.
  func isShunned(_ node: NodeID, at now: UInt64) -> Bool {
    entries.withLock { ($0[node]?.shunnedUntil ?? 0) > now }
  }

  /// How long a node takes, in ns, as far as is known.
  func latency(of node: NodeID) -> UInt64 {
    entries.withLock { entries in
      guard let mean = entries[node]?.mean, mean > 0 else { return Self.lateMin }
      return mean
    }
  }

  /// After how many ns an answer of one of these nodes is late: after what nearly all take of the one in the middle, so
  /// that a slow one does not decide it.
  func lateAfter(_ nodes: [NodeID]) -> UInt64 {
    let times = entries.withLock { entries in
      nodes.compactMap { node -> UInt64? in
        guard let entry = entries[node], entry.mean > 0 else { return nil }
        return entry.mean + 3 * entry.deviation
      }
    }.sorted()
    guard !times.isEmpty else { return Self.lateAtFirst }
    return min(Self.lateMax, max(Self.lateMin, times[(times.count - 1) / 2]))
  }
}

extension UInt64 {
  /// The sum, the most that there is where it is more.
  func addingClamped(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
