import NeedletailEnvironment
import NeedletailTelemetry

/// Which series of one request are taken, by how many its tenant may have and how many may begin.
final class SeriesAdmission: Sendable {
  private let series: ActiveSeries
  private let tenant: TenantID
  private let now: Int64
  private let mayBegin: Bool
  private let begun: @Sendable () -> Void
  private let heldBack = Lock(false)

  /// Without `mayBegin` only those that are active are taken; `begun` is called for each that was not. Time is monotonic,
  /// in ns.
  init(
    _ series: ActiveSeries, of tenant: TenantID, now: Int64, mayBegin: Bool, begun: @escaping @Sendable () -> Void
  ) {
    self.series = series
    self.tenant = tenant
    self.now = now
    self.mayBegin = mayBegin
    self.begun = begun
  }

  /// Whether a series is taken.
  func admit(_ id: SeriesID) -> Bool {
    let admission = series.admit(id, of: tenant, now: now, mayBegin: mayBegin)
    switch admission {
    case .begun: begun()
    case .tooSoon: heldBack.withLock { $0 = true }
    case .active, .tooMany: break
    }
    return admission.isTaken
  }

  /// Whether some were not taken that will be later.
  var isTooSoon: Bool { heldBack.withLock { $0 } }
}
