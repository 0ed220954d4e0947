import NeedletailCollector
import NeedletailOTLP
import NeedletailTelemetry

/// What a node says of all that it took in since its start, and of its own health: what `needletail doctor` goes by.
struct NodeLedger: Equatable, Sendable {
  /// The books of one tenant and signal; no tenant for all that have none of their own.
  struct Account: Equatable, Sendable {
    var tenant: String?
    var signal: String
    var account: LedgerAccount
  }

  /// The copies of rows that replicas were to get from here.
  struct Copies: Equatable, Sendable {
    var tenant: String?
    var signal: String
    var account: CopyLedger.Account
  }

  /// The hints for another node.
  struct Hints: Equatable, Sendable {
    var node: String
    var waiting = 0
    var waitingBytes = 0
    /// Those that waited at the start.
    var left = 0
    var stored = 0
    var delivered = 0
    /// Deliveries that were not answered, or with no.
    var failures = 0
    var givenUp: [String: Int] = [:]
  }

  /// Empty where the node belongs to no cluster.
  var node: String
  /// Its clock, and when it was started, in ns since 1970.
  var now: Int64
  var started: Int64
  var accounts: [Account] = []
  var copies: [Copies] = []
  var hints: [Hints] = []
  /// Numbers about its health, by name.
  var facts: [String: Int] = [:]
  /// What it has to say in words: what was lost, and why it takes nothing.
  var remarks: [String] = []
}

extension NodeLedger.Account {
  init(_ key: IngestLedger.Key, _ account: LedgerAccount) {
    self.init(tenant: key.tenant?.description, signal: key.signal.name, account: account)
  }
}

extension NodeLedger.Copies {
  init(_ key: CopyLedger.Key, _ account: CopyLedger.Account) {
    self.init(tenant: key.tenant?.description, signal: key.signal.name, account: account)
  }
}

extension NodeLedger.Hints {
  /// Of a shelf.
  init(_ shelf: HintShelf) {
    let counted = shelf.queue.counters
    self.init(
      node: shelf.queue.node.rawValue, waiting: shelf.queue.count, waitingBytes: shelf.queue.bytes, left: shelf.left,
      stored: counted.appended, delivered: counted.delivered, failures: counted.failures,
      givenUp: [
        "too_many": counted.tooMany, "not_stored": counted.notStored, "too_old": counted.tooOld,
        "refused": counted.refused, "removed": counted.removed, "superseded": counted.superseded,
      ].filter { $0.value > 0 })
  }
}
