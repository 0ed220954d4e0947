import NeedletailCluster
import NeedletailCollector
import NeedletailOTLP
import NeedletailTelemetry

/// What became of the copies of rows that the replicas of writes were to get, by tenant and signal.
///
/// A row of a slot with three replicas is three copies. They are counted when a write begins, and again when nothing
/// more is
/// done for it, by what each replica came to; the two have to agree.
struct CopyLedger: Sendable {
  /// What one replica of an acknowledged write came to.
  enum Fate: Sendable {
    /// It has the rows on disk.
    case stored
    /// A hint of them is on disk here, and is delivered later.
    case hinted
    /// Neither: it is told as in need of repair.
    case missed
  }

  struct Account: Equatable, Sendable {
    /// Copies of the rows of all writes that were begun.
    var wanted = 0
    var stored = 0
    var hinted = 0
    var missed = 0
    /// Of nodes that were removed before they had them.
    var removed = 0
    /// Of writes that were not acknowledged: some replicas may have them, and their sender comes again.
    var failed = 0
    var underWay = 0

    /// 0 where the books are right.
    var balance: Int { wanted - stored - hinted - missed - removed - failed - underWay }
  }

  /// Whose copies, and of what; nil for all tenants beyond the first so many.
  struct Key: Hashable, Sendable {
    var tenant: TenantID?
    var signal: OTLPSignal
  }

  private var accounts: [Key: Account] = [:]
  private var tenants: Set<TenantID> = []

  /// By tenant and signal. O(n log n).
  var sorted: [(key: Key, account: Account)] {
    func order(_ key: Key) -> (Int, String, String) {
      (key.tenant == nil ? 1 : 0, key.tenant?.description ?? "", key.signal.name)
    }
    return accounts.map { (key: $0.key, account: $0.value) }.sorted { order($0.key) < order($1.key) }
  }

  /// A write begins.
  mutating func begin(_ payload: WritePayload) {
    guard let key = key(of: payload) else { return }
    var account = accounts[key] ?? Account()
    for node in payload.parts.targets.nodes {
      let count = payload.parts.part(of: node)?.content.itemCount ?? 0
      account.wanted += count
      account.underWay += count
    }
    accounts[key] = account
  }

  /// Nothing more is done for a write.
  mutating func end(_ payload: WritePayload, isAcknowledged: Bool, fates: [NodeID: Fate]) {
    guard let key = key(of: payload) else { return }
    var account = accounts[key] ?? Account()
    for node in payload.parts.targets.nodes {
      let count = payload.parts.part(of: node)?.content.itemCount ?? 0
      account.underWay -= count
      switch isAcknowledged ? fates[node] : .some(.missed) {
      case _ where !isAcknowledged: account.failed += count
      case .stored?: account.stored += count
      case .hinted?: account.hinted += count
      case .missed?: account.missed += count
      case nil: account.removed += count
      }
    }
    accounts[key] = account
  }

  private mutating func key(of payload: WritePayload) -> Key? {
    guard let content = payload.parts.parts.first?.content else { return nil }
    var tenant: TenantID? = content.frame.tenant
    if let name = tenant, !tenants.contains(name) {
      if tenants.count < IngestLedger.tenantsMax { tenants.insert(name) } else { tenant = nil }
    }
    return Key(tenant: tenant, signal: content.signal)
  }

  /// The same as a metric.
  var family: MetricFamily {
    MetricFamily(
      .counter, "needletail_cluster_copies_total",
      "Copies of rows that replicas were to get, by what became of them; wanted are all of them.",
      sorted.flatMap { key, account in
        let counts: KeyValuePairs<String, Int> = [
          "wanted": account.wanted, "stored": account.stored, "hinted": account.hinted, "missed": account.missed,
          "removed": account.removed, "failed": account.failed,
        ]
        return counts.map { state, count in
          MetricFamily.Point(
            labels: [
              Label("signal", key.signal.name), Label("tenant", key.tenant?.description ?? ""), Label("state", state),
            ], value: Double(count))
        }
      })
  }
}

extension WriteContent {
  /// Samples (histograms included), log records or spans.
  fileprivate var itemCount: Int {
    switch self {
    case .series(let batch): batch.sampleCount + batch.histogramCount
    case .events(let batch): batch.rowCount
    }
  }

  fileprivate var signal: OTLPSignal {
    switch self {
    case .series: .metrics
    case .events(let batch): batch.isSpans ? .traces : .logs
    }
  }
}
