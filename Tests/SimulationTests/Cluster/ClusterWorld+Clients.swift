@testable import NeedletailCluster

// What clients sent and heard, held against what is true.

extension ClusterWorld {
  mutating func completed(_ write: WriteID, _ outcome: WriteOutcome, by layout: SimulatedLayout, isSomebodyAway: Bool) {
    note("write \(write) \(outcome)")
    count("writes: \(outcome == .acknowledged ? "acknowledged" : "not acknowledged")")
    guard outcome == .acknowledged else {
      return reach(.writeWasUnavailable)
    }
    if isSomebodyAway { reach(.writeAcknowledgedWithANodeAway) }
    guard let client = writes[write] else { return }
    checkCopies(client, layout)
    guard !client.isAcknowledged else { return }
    writes[write]?.isAcknowledged = true
    acknowledged.append(client.rows)
  }

  /// W replicas of each slot have what is acknowledged, on disk, at the instant at which it is.
  private mutating func checkCopies(_ client: ClientWrite, _ layout: SimulatedLayout) {
    // What had it may have lost it since.
    guard client.losses == losses else { return }
    for row in client.rows {
      for owners in [layout.readers(of: row.slot), layout.beside?.replicas(of: row.slot) ?? []] where !owners.isEmpty {
        let copies = owners.count { owner in node(owner).map { durable[$0].covers(row) } ?? false }
        guard copies < settings.level.acknowledgements(of: owners.count) else { continue }
        return violation("a write is acknowledged of which \(copies) of \(owners.count) replicas have a row on disk")
      }
    }
  }

  /// A read came to its end that began when so many writes were acknowledged.
  mutating func completed(_ coverage: SlotCoverage, rows: RowSet, began: Int) {
    note("read \(coverage.text) \(rows.count) rows")
    count(coverage.isPartial ? "reads: partial" : "reads: whole")
    if coverage.isPartial { reach(.readWasPartial) }
    if !rows.isSubset(of: sent) { violation("a read invented rows") }
    if settings.isBeyondTheModel { return }
    for row in acknowledged.prefix(began).joined()
    where coverage.asked.contains(row.slot) && !coverage.short.contains(row.slot) && !rows.covers(row) {
      return violation("a read that says that slot \(row.slot) is whole lacks an acknowledged row")
    }
  }
}
