extension ReadCounters {
  /// What is told of reads over the cluster.
  var families: [MetricFamily] {
    let counted = snapshot
    func counter(_ name: String, _ help: String, _ value: UInt64) -> MetricFamily {
      MetricFamily(.counter, "needletail_cluster_" + name, help, Double(value))
    }
    return [
      counter("reads_total", "Reads over the cluster; a question may need several.", counted.reads),
      counter("read_asks_total", "Questions to other nodes.", counted.asks),
      counter("read_failed_asks_total", "Questions that another node did not answer.", counted.failedAsks),
      counter("read_hedges_total", "Times at which a read asked others in place of a slow node.", counted.hedges),
      counter("read_unions_total", "Reads whose answer is the union of replicas that differ.", counted.unions),
      counter(
        "read_reductions_total", "Groups of slots that another node reduced in place of telling their rows.",
        counted.reductions),
      counter(
        "read_reductions_unfit_total", "Reads whose rows were read after all, because they cannot be reduced apart.",
        counted.reductionsUnfit),
      counter(
        "read_derived_series_total", "Series of which another node told values at steps in place of samples.",
        counted.derived),
      counter(
        "read_early_total", "Reads that went ahead with this node's data while others were asked whether they agree.",
        counted.early),
      counter(
        "read_early_in_vain_total", "Reads that went ahead and were made again, because others differ or were late.",
        counted.earlyInVain),
      counter("read_partial_total", "Reads that too few ready replicas answered.", counted.partial),
      counter("read_broken_total", "Answers of nodes that broke off.", counted.broken),
      counter("read_repairs_total", "Pairs of replicas with this node that a read found to differ.", counted.repairs),
      counter(
        "read_repairs_dropped_total",
        "Pairs of other nodes' replicas that a read found to differ, left to their rounds.",
        counted.repairsDropped),
    ]
  }
}
