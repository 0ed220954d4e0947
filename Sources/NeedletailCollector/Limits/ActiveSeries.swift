import NeedletailEnvironment
import NeedletailTelemetry

/// Keeps each tenant to so many active series, so that a label that grows without end costs its tenant, and nobody
/// else.
///
/// A series is active for half an hour after it was sent last, and for an hour at most: two sets of what was sent take
/// turns, so that nothing is kept by series but its identity. Those that are active stay; one that comes when there are
/// as many as may be is refused until others have become silent. What is counted came in through this node. Time is
/// monotonic, in ns.
package final class ActiveSeries: Sendable {
  /// How long one set is added to.
  static let turn: Int64 = 1_800_000_000_000
  /// How many tenants are told apart; those after them share one limit.
  static let tenantsMax = 10_000
  /// How many refused series of a tenant are told apart.
  static let refusedMax = 1 << 16

  /// What becomes of a series that is sent.
  package enum Admission: Sendable {
    /// It was active.
    case active
    /// It is active from now on.
    case begun
    /// There are as many as may be.
    case tooMany
    /// None may begin now.
    case tooSoon

    package var isTaken: Bool { self == .active || self == .begun }
  }

  /// The series of one tenant.
  package struct Count: Equatable, Sendable {
    /// Nil for all tenants beyond those that are told apart.
    package var tenant: TenantID?
    package var active: Int
    /// Series that were refused within the last half hour, as far as they are told apart.
    package var refused: Int
  }

  private struct Books {
    var began: Int64
    var current: Set<SeriesID> = []
    /// Those of the turn before that did not come since.
    var previous: Set<SeriesID> = []
    var refused: Set<SeriesID> = []

    var count: Int { current.count + previous.count }

    /// Lets go of what is not active any more.
    mutating func advance(to now: Int64) {
      let age = now &- began
      guard age >= ActiveSeries.turn else { return }
      let isLong = age >= 2 * ActiveSeries.turn
      previous = isLong ? [] : current
      (current, refused) = ([], [])
      // Turns follow each other without a gap, or what came early in one would be active for longer than two.
      began = isLong ? now : began &+ ActiveSeries.turn
    }

    mutating func admit(_ id: SeriesID, max: Int?, mayBegin: Bool) -> Admission {
      if current.contains(id) { return .active }
      let isActive = previous.remove(id) != nil
      if !isActive, let max, count >= max {
        if refused.count < ActiveSeries.refusedMax { refused.insert(id) }
        return .tooMany
      }
      guard isActive || mayBegin else { return .tooSoon }
      current.insert(id)
      return isActive ? .active : .begun
    }
  }

  /// How many each tenant may have; nil for as many as it likes.
  package let max: Int?
  private let tenants = Lock<[TenantID?: Books]>([:])
  /// How often those that have become silent are looked for, in ns, where there are too many tenants.
  private static let purgePause: Int64 = 60_000_000_000
  private let purged = Lock(Int64.min)

  package init(max: Int?) { self.max = max }

  /// Whether a series of a tenant is taken; it is active from now on where it is. `mayBegin` tells whether one may be
  /// that is not active yet.
  package func admit(_ id: SeriesID, of tenant: TenantID, now: Int64, mayBegin: Bool = true) -> Admission {
    tenants.withLock { tenants in
      let key = key(tenant, &tenants, now)
      tenants[key, default: Books(began: now)].advance(to: now)
      return tenants[key, default: Books(began: now)].admit(id, max: max, mayBegin: mayBegin)
    }
  }

  /// Whether a series of a tenant is active; nothing changes by it.
  package func isActive(_ id: SeriesID, of tenant: TenantID) -> Bool {
    tenants.withLock { tenants in
      guard let books = tenants[tenant] ?? tenants[nil] else { return false }
      return books.current.contains(id) || books.previous.contains(id)
    }
  }

  /// O(tenants) once a minute, for a new one where there are too many.
  private func key(_ tenant: TenantID, _ tenants: inout [TenantID?: Books], _ now: Int64) -> TenantID? {
    guard tenants[tenant] == nil, tenants.count >= Self.tenantsMax else { return tenant }
    let isDue = purged.withLock { last in
      guard last == .min || now &- last >= Self.purgePause else { return false }
      last = now
      return true
    }
    if isDue { Self.purge(&tenants, now) }
    return tenants.count < Self.tenantsMax ? tenant : nil
  }

  /// Lets go of what is not active any more, of all tenants.
  private static func purge(_ tenants: inout [TenantID?: Books], _ now: Int64) {
    for tenant in tenants.keys { tenants[tenant]?.advance(to: now) }
    tenants = tenants.filter { $0.value.count > 0 || !$0.value.refused.isEmpty }
  }

  /// The tenants with the most active series, by name; at most `limit`. O(n log n).
  package func counts(now: Int64, limit: Int = IngestLedger.tenantsMax) -> [Count] {
    let all = tenants.withLock { tenants in
      Self.purge(&tenants, now)
      return tenants.map { tenant, books in
        Count(tenant: tenant, active: books.count, refused: books.refused.count)
      }
    }
    func name(_ count: Count) -> String { count.tenant?.description ?? "" }
    let largest = all.sorted { ($1.active, name($0)) < ($0.active, name($1)) }.prefix(limit)
    return largest.sorted { name($0) < name($1) }
  }
}
