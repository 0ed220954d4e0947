import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// Keeps each tenant to its rates, so that one that sends too much is turned away and the others are not.
///
/// A bucket of tokens for each tenant and measure: five seconds' worth may come at once. A request is looked at as a
/// whole: one that is larger than what is there is taken, and those after it wait until it is paid for, so that no
/// request is too large to pass. Where several nodes take requests each lets an equal share of the rate through. Time is
/// monotonic, in ns.
package final class TenantLimiter: Sendable {
  /// How much longer than a second's worth may come at once.
  private static let burstSeconds = 5
  /// How many tenants are remembered. Beyond that the ones that have not sent for a while are forgotten: they have a
  /// full bucket again by then.
  static let tenantsMax = 10_000

  package struct Refusal: Error, Equatable, Sendable {
    package let measure: TenantMeasure
    /// What may be sent in a second.
    package let rate: Int
    /// How many nodes have an equal share of that.
    package let nodes: Int
    package let retryAfterSeconds: Int
  }

  private struct Key: Hashable {
    let tenant: TenantID
    let measure: TenantMeasure
  }

  private let rates: TenantRates
  /// How many nodes share each rate now, this one among them.
  private let sharers: @Sendable () -> Int
  private let buckets = Lock<[Key: TokenBucket]>([:])

  package init(_ rates: TenantRates, sharers: @escaping @Sendable () -> Int = { 1 }) {
    self.rates = rates
    self.sharers = sharers
  }

  /// Buckets that are kept.
  var count: Int { buckets.withLock { $0.count } }

  /// Takes an amount out of a tenant's share; throws, and takes nothing, where the share is used up.
  func admit(_ amount: Int, _ measure: TenantMeasure, of tenant: TenantID, now: Int64) throws(Refusal) {
    guard amount > 0 else { return }
    try withBucket(measure, of: tenant, now: now) { bucket, nodes in
      bucket.take(Self.cost(amount, nodes), at: now) ? 0 : bucket.wait(at: now)
    }
  }

  /// Throws where a tenant's share is used up; takes nothing.
  func check(_ measure: TenantMeasure, of tenant: TenantID, now: Int64) throws(Refusal) {
    try withBucket(measure, of: tenant, now: now) { bucket, _ in bucket.wait(at: now) }
  }

  /// Takes an amount out of a tenant's share that is past refusing: others wait until it is paid for.
  func charge(_ amount: Int, _ measure: TenantMeasure, of tenant: TenantID, now: Int64) {
    guard amount > 0 else { return }
    try? withBucket(measure, of: tenant, now: now) { bucket, nodes in
      bucket.spend(Self.cost(amount, nodes), at: now)
      return 0
    }
  }

  /// What an amount costs of the whole rate, so that as much passes on each of the nodes as one of them has for itself.
  private static func cost(_ amount: Int, _ nodes: Int) -> Int {
    let (cost, isTooMuch) = amount.multipliedReportingOverflow(by: nodes)
    return isTooMuch ? .max : cost
  }

  /// Throws where `body` says that there is a time to wait, in ns.
  private func withBucket(
    _ measure: TenantMeasure, of tenant: TenantID, now: Int64, _ body: (inout TokenBucket, _ nodes: Int) -> Int64
  ) throws(Refusal) {
    guard let rate = rates[measure] else { return }
    // A series begins on each node that it comes to: each counts all of them.
    let nodes = measure == .newSeries ? 1 : max(1, sharers())
    let wait = buckets.withLock { buckets in
      let key = Key(tenant: tenant, measure: measure)
      if buckets[key] == nil { Self.makeRoom(&buckets, now) }
      let (burst, isTooMuch) = rate.multipliedReportingOverflow(by: Self.burstSeconds)
      return body(&buckets[key, default: TokenBucket(perSecond: rate, burst: isTooMuch ? .max : burst)], nodes)
    }
    guard wait > 0 else { return }
    let seconds = wait / 1_000_000_000 + (wait % 1_000_000_000 > 0 ? 1 : 0)
    throw Refusal(
      measure: measure, rate: rate, nodes: nodes, retryAfterSeconds: min(max(1, Int(clamping: seconds)), 300))
  }

  /// O(tenants), for a new one where there are too many.
  private static func makeRoom(_ buckets: inout [Key: TokenBucket], _ now: Int64) {
    guard buckets.count >= tenantsMax * TenantMeasure.allCases.count else { return }
    buckets = buckets.filter { !$0.value.isFull(at: now) }
    // All of them send: who is forgotten then gets a full bucket too early, which is better than to keep all.
    if buckets.count >= tenantsMax * TenantMeasure.allCases.count { buckets.removeAll(keepingCapacity: true) }
  }
}
