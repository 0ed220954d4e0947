import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import NeedletailWire

/// The books of what came in, by tenant and signal: every request, and every sample, log record and span in it, from
/// the moment
/// that it is known until its sender is told what became of it.
package final class IngestLedger: Sendable {
  /// How many tenants have books of their own; those after them share one, which has no name.
  package static let tenantsMax = 256

  /// Whose books, and of what.
  package struct Key: Hashable, Sendable {
    /// Nil for all tenants beyond the first so many.
    package let tenant: TenantID?
    package let signal: OTLPSignal
  }

  private struct Books {
    var accounts: [Key: LedgerAccount] = [:]
    var tenants: Set<TenantID> = []
  }

  private let books = Lock(Books())

  package init() {}

  /// All of one signal, of all tenants.
  package subscript(signal: OTLPSignal) -> LedgerAccount {
    books.withLock { books in
      var sum = LedgerAccount()
      for (key, account) in books.accounts where key.signal == signal { sum.add(account) }
      return sum
    }
  }

  /// All books, by tenant and signal; those without a name last. O(n log n).
  package var accounts: [(key: Key, account: LedgerAccount)] {
    let all = books.withLock { $0.accounts }
    return all.map { (key: $0.key, account: $0.value) }.sorted { $0.key < $1.key }
  }

  /// Whose books a tenant's items are entered in.
  private static func key(_ tenant: TenantID, _ signal: OTLPSignal, _ books: inout Books) -> Key {
    if !books.tenants.contains(tenant) {
      guard books.tenants.count < tenantsMax else { return Key(tenant: nil, signal: signal) }
      books.tenants.insert(tenant)
    }
    return Key(tenant: tenant, signal: signal)
  }

  /// A request came, with a body of so many bytes; `close` ends it.
  package func open(_ signal: OTLPSignal, of tenant: TenantID, bytes: Int) -> Key {
    books.withLock { books in
      let key = Self.key(tenant, signal, &books)
      books.accounts[key, default: LedgerAccount()].requests += 1
      books.accounts[key, default: LedgerAccount()].bytes += bytes
      books.accounts[key, default: LedgerAccount()].requestsUnderWay += 1
      return key
    }
  }

  /// So many items were read in a request.
  package func read(_ items: Int, _ key: Key) {
    books.withLock { books in
      books.accounts[key, default: LedgerAccount()].received += items
      books.accounts[key, default: LedgerAccount()].underWay += items
    }
  }

  /// A request ends; what it says of its items is entered.
  package func close(_ key: Key, _ outcome: ReceiveOutcome) {
    books.withLock { books in
      var account = books.accounts[key] ?? LedgerAccount()
      account.requestsUnderWay -= 1
      account.underWay -= outcome.received
      account.acknowledged += outcome.accepted
      for (reason, count) in outcome.rejections.counts { account.refused[reason.rawValue, default: 0] += count }
      for (reason, count) in outcome.rejections.warnings { account.leftOut[reason.rawValue, default: 0] += count }
      if let failure = outcome.failure {
        account.requestsFailed[failure.name, default: 0] += 1
        if outcome.dropped > 0 {
          if failure.isFinal {
            account.refused[failure.name, default: 0] += outcome.dropped
          } else {
            account.failed[failure.name, default: 0] += outcome.dropped
          }
        }
      } else {
        account.requestsAcknowledged += 1
      }
      books.accounts[key] = account
    }
  }

  /// A request that ended before its body was there.
  package func turnedAway(_ signal: OTLPSignal, of tenant: TenantID, reason: String) {
    books.withLock { books in
      let key = Self.key(tenant, signal, &books)
      books.accounts[key, default: LedgerAccount()].requests += 1
      books.accounts[key, default: LedgerAccount()].requestsFailed[reason, default: 0] += 1
    }
  }
}

extension IngestLedger.Key: Comparable {
  package static func < (left: Self, right: Self) -> Bool { left.order < right.order }

  private var order: (Int, String, Int) {
    let signal =
      switch signal {
      case .metrics: 0
      case .traces: 1
      case .logs: 2
      }
    return (tenant == nil ? 1 : 0, tenant?.description ?? "", signal)
  }
}

extension IngestLedger {
  /// Enters items of the node's own making, which came in no request: stored, or with the reason why not.
  package func enter(_ items: Int, _ signal: OTLPSignal, of tenant: TenantID, failure: SinkError?) {
    let key = open(signal, of: tenant, bytes: 0)
    read(items, key)
    var outcome = ReceiveOutcome()
    outcome.received = items
    if let failure { outcome.settle(failure, count: items) } else { outcome.accepted = items }
    close(key, outcome)
  }
}
