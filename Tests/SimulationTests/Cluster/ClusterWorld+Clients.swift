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
    for row in client.rows { acknowledgedOfSlot[Int(row.slot)].append(row) }
  }

  // MARK: - Retention

  /// The latest time that any clock on the wall shows, or ever showed.
  var latestClock: Int64 { max(latestWall, SimulatedRetention.start + now + (clockOffsets.max() ?? 0)) }

  /// Whether no node can have dropped the row yet.
  func isKept(_ row: SimulatedRow) -> Bool { row.window >= settings.retention.first(at: latestClock) }

  /// There is nothing more to be done about a write: all of it had expired when it came.
  mutating func isSettled(_ write: WriteID) {
    count("writes: expired")
    writes[write]?.isAcknowledged = true
  }

  /// A clock on the wall is set.
  mutating func set(_ offset: Int64, of node: Int) {
    latestWall = latestClock
    clockOffsets[node] = offset
  }

  /// Rows came by repair that had expired where they came: on their way, which takes no second where all is well.
  mutating func expired(_ count: Int, at node: Int) {
    guard count > 0 else { return }
    reach(.rowsExpiredOnTheirWay)
    guard let healedAt, now > healedAt + Self.settling else { return }
    expiredArrivals += count
    if expiredArrivals > Self.expiredArrivalsMax { violation("rows that expired go to \(nodes[node]) again and again") }
  }

  /// What was on its way when faults ended has come to its end, in ns.
  private static let settling: Int64 = 3_000_000_000
  private static let expiredArrivalsMax = 40

  /// W replicas of each slot have what is acknowledged, on disk, at the instant at which it is.
  private mutating func checkCopies(_ client: ClientWrite, _ layout: SimulatedLayout) {
    // What had it may have lost it since.
    guard client.losses == losses else { return }
    for row in client.rows where isKept(row) {
      var groups = [(layout.readers(of: row.slot), layout.replication)]
      if let beside = layout.beside { groups.append((beside.replicas(of: row.slot), layout.besideReplication)) }
      for (owners, replication) in groups {
        let lacking = owners.filter { owner in !(node(owner).map { durable[$0].covers(row) } ?? false) }
        let copies = owners.count - lacking.count
        guard copies < replication.acknowledgements(of: owners.count) else { continue }
        note("slot \(row.slot), window \(row.window): \(lacking.map(\.rawValue)) lack a row")
        return violation("a write is acknowledged of which \(copies) of \(owners.count) replicas have a row on disk")
      }
    }
  }

  /// A read came to its end that began when so many writes were acknowledged.
  mutating func completed(
    _ coverage: SlotCoverage, rows: RowSet, began: Int, windows: ClosedRange<Int64>, at wall: Int64
  ) {
    note("read \(coverage.text) \(rows.count) rows")
    count(coverage.isPartial ? "reads: partial" : "reads: whole")
    if coverage.isPartial { reach(.readWasPartial) }
    if !rows.isSubset(of: sent) { violation("a read invented rows") }
    if let length = settings.retention.length,
      windows.lowerBound * SimulatedRetention.hour > wall - length + SimulatedRetention.tolerance
        + SimulatedRetention.hour
    {
      violation("a read begins with window \(windows.lowerBound), and leaves out what may be read")
    }
    if settings.isBeyondTheModel { return }
    // As long as no clock is further ahead than reads allow for, all that they are of is there.
    let isTolerated = latestClock <= wall + SimulatedRetention.tolerance
    let first = isTolerated ? windows.lowerBound : max(windows.lowerBound, settings.retention.first(at: latestClock))
    for row in acknowledged.prefix(began).joined()
    where coverage.asked.contains(row.slot) && !coverage.short.contains(row.slot) && row.window >= first
      && !rows.covers(row)
    {
      return violation("a read that says that slot \(row.slot) is whole lacks an acknowledged row")
    }
  }
}
