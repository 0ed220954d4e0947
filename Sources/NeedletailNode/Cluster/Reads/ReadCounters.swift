import NeedletailEnvironment

/// Counts what became of reads over the cluster.
final class ReadCounters: Sendable {
  struct Snapshot: Hashable, Sendable {
    /// Reads of slots, of which a question may need several.
    var reads: UInt64 = 0
    /// Questions to nodes, this one included.
    var asks: UInt64 = 0
    /// Those that were not answered.
    var failedAsks: UInt64 = 0
    /// Times at which a slow node was asked no longer alone.
    var hedges: UInt64 = 0
    /// Reads whose answer is the union of replicas that differ.
    var unions: UInt64 = 0
    /// Reads that lacked ready replicas, told or failed.
    var partial: UInt64 = 0
    /// Pairs of replicas that differ, of which this node is one: they are compared out of turn.
    var repairs: UInt64 = 0
    /// Pairs of other nodes, which the next round of repair compares.
    var repairsDropped: UInt64 = 0
    /// Answers that broke off.
    var broken: UInt64 = 0
  }

  private let state = Lock(Snapshot())

  /// The same as metrics of the node.
  var families: [MetricFamily] {
    let counts = snapshot
    func counter(_ name: String, _ help: String, _ value: UInt64) -> MetricFamily {
      MetricFamily(.counter, "needletail_cluster_" + name, help, Double(value))
    }
    return [
      counter("reads_total", "Reads of slots, of which a question may need several.", counts.reads),
      counter("read_asks_total", "Questions to nodes, this one included.", counts.asks),
      counter("read_asks_failed_total", "Questions to nodes that were not answered.", counts.failedAsks),
      counter("read_hedges_total", "Times at which another node was asked in place of a slow one.", counts.hedges),
      counter("read_unions_total", "Reads whose answer is the union of replicas that differ.", counts.unions),
      counter("reads_partial_total", "Reads that lacked ready replicas, told or failed.", counts.partial),
      counter("read_repairs_total", "Pairs of replicas that differ and are compared out of turn.", counts.repairs),
      counter(
        "read_repairs_dropped_total", "Pairs of other nodes that differ: their rounds compare them.",
        counts.repairsDropped),
      counter("reads_broken_total", "Answers of nodes that broke off.", counts.broken),
    ]
  }

  var snapshot: Snapshot { state.withLock { $0 } }

  func count(_ path: WritableKeyPath<Snapshot, UInt64>) { state.withLock { $0[keyPath: path] &+= 1 } }
}
