/// What became of the requests of one tenant with one signal, and of the items in them: samples (histograms included),
/// log
/// records or spans.
///
/// What comes in is counted when it is known, and what became of it when that is: two counts of the same that have to
/// agree.
/// `balance` is how far they are apart.
package struct LedgerAccount: Equatable, Sendable {
  /// Requests that came, also those that nothing could be read of.
  package var requests = 0
  /// Bytes of bodies as they were sent.
  package var bytes = 0
  /// Requests of which something was taken, or that had nothing.
  package var requestsAcknowledged = 0
  /// Requests that were refused as a whole, by reason.
  package var requestsFailed: [String: Int] = [:]
  package var requestsUnderWay = 0

  /// Items that were read.
  package var received = 0
  /// Items that the sender was told are stored.
  package var acknowledged = 0
  /// Items that the sender was told not to send again, by reason.
  package var refused: [String: Int] = [:]
  /// Items that the sender was asked to send again, by reason: what is limited and what is shed is here too.
  package var failed: [String: Int] = [:]
  package var underWay = 0
  /// What was left out beside the items: exemplars, and series of the receiver's own making.
  package var leftOut: [String: Int] = [:]

  package init() {}

  /// Items that came in less all that became of them: 0 where the books are right.
  package var balance: Int { received - acknowledged - Self.sum(refused) - Self.sum(failed) - underWay }

  /// The same of requests.
  package var requestsBalance: Int {
    requests - requestsAcknowledged - Self.sum(requestsFailed) - requestsUnderWay
  }

  /// Adds another one's numbers.
  package mutating func add(_ other: LedgerAccount) {
    requests += other.requests
    bytes += other.bytes
    requestsAcknowledged += other.requestsAcknowledged
    requestsFailed.merge(other.requestsFailed, uniquingKeysWith: +)
    requestsUnderWay += other.requestsUnderWay
    received += other.received
    acknowledged += other.acknowledged
    refused.merge(other.refused, uniquingKeysWith: +)
    failed.merge(other.failed, uniquingKeysWith: +)
    underWay += other.underWay
    leftOut.merge(other.leftOut, uniquingKeysWith: +)
  }

  private static func sum(_ counts: [String: Int]) -> Int { counts.values.reduce(0, +) }
}
