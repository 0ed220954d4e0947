import NeedletailEnvironment

/// Counts what became of reads over the cluster.
final class ReadCounters: Sendable {
  struct Snapshot: Hashable, Sendable {
    /// Reads of slots, of which a question may need several.
    var reads: UInt64 = 0
    /// Questions to other nodes.
    var asks: UInt64 = 0
    /// Those that were not answered.
    var failedAsks: UInt64 = 0
    /// Times at which a slow node was asked no longer alone.
    var hedges: UInt64 = 0
    /// Reads whose answer is the union of replicas that differ.
    var unions: UInt64 = 0
    /// What other nodes reduced of reads' groups of slots, in place of telling their rows.
    var reductions: UInt64 = 0
    /// Series of which other nodes told what a function makes of them, in place of their samples.
    var derived: UInt64 = 0
    /// Reads of whose reductions that turned out not to be possible, so that the rows were read.
    var reductionsUnfit: UInt64 = 0
    /// Reads that lacked ready replicas, told or failed.
    var partial: UInt64 = 0
    /// Pairs of replicas that differ, which are compared out of turn, by this node or by one that it asked.
    var repairs: UInt64 = 0
    /// Pairs of other nodes that could not be asked; the next round of repair compares them.
    var repairsDropped: UInt64 = 0
    /// Reads of what this node has that were begun before others told whether they have the same.
    var early: UInt64 = 0
    /// Those of them that others did not agree with in time, so that the question was evaluated again.
    var earlyInVain: UInt64 = 0
    /// Answers that broke off.
    var broken: UInt64 = 0
  }

  private let state = Lock(Snapshot())

  var snapshot: Snapshot { state.withLock { $0 } }

  func count(_ path: WritableKeyPath<Snapshot, UInt64>, times: Int = 1) {
    state.withLock { $0[keyPath: path] &+= UInt64(clamping: times) }
  }
}
