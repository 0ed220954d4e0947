import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// Keeps each tenant to its rates, so that one that sends too much is turned away and the others are not.
///
/// A bucket of tokens for each tenant and measure: five seconds' worth may come at once. A request is looked at as a
/// whole: one that is larger than what is there is taken, and those after it wait until it is paid for, so that no
/// request is too large to pass. Time is monotonic, in ns.
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
    package let retryAfterSeconds: Int
  }

  private struct Key: Hashable {
    let tenant: TenantID
    let measure: TenantMeasure
  }

  private let rates: TenantRates
  private let buckets = Lock<[Key: TokenBucket]>([:])

  package init(_ rates: TenantRates) { self.rates = rates }

  /// Buckets that are kept.
  var count: Int { buckets.withLock { $0.count } }

  /// Takes an amount out of a tenant's share; throws, and takes nothing, where the share is used up.
  func admit(_ amount: Int, _ measure: TenantMeasure, of tenant: TenantID, now: Int64) throws(Refusal) {
    guard amount > 0, let rate = rates[measure] else { return }
    let wait = buckets.withLock { buckets in
      let key = Key(tenant: tenant, measure: measure)
      if buckets[key] == nil {
        Self.makeRoom(&buckets, now)
        let (burst, isTooMuch) = rate.multipliedReportingOverflow(by: Self.burstSeconds)
        buckets[key] = TokenBucket(perSecond: rate, burst: isTooMuch ? .max : burst)
      }
      let isTaken = buckets[key]?.take(amount, at: now) ?? true
      return isTaken ? 0 : buckets[key]?.wait(at: now) ?? 0
    }
    guard wait > 0 else { return }
    let seconds = wait / 1_000_000_000 + (wait % 1_000_000_000 > 0 ? 1 : 0)
    throw Refusal(measure: measure, rate: rate, retryAfterSeconds: min(max(1, Int(clamping: seconds)), 300))
  }

  /// O(tenants), for a new one where there are too many.
  private static func makeRoom(_ buckets: inout [Key: TokenBucket], _ now: Int64) {
    guard buckets.count >= tenantsMax * TenantMeasure.allCases.count else { return }
    buckets = buckets.filter { !$0.value.isFull(at: now) }
    // All of them send: who is forgotten then gets a full bucket too early, which is better than to keep all.
    if buckets.count >= tenantsMax * TenantMeasure.allCases.count { buckets.removeAll(keepingCapacity: true) }
  }
}
