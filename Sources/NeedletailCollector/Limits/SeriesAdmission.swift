import NeedletailEnvironment
import NeedletailTelemetry

/// Which series of one request are taken, by how many its tenant may have and how many may begin.
final class SeriesAdmission: Sendable {
  private struct Seen {
    var begun = 0
    var tooSoon = 0
  }

  private let series: ActiveSeries
  private let tenant: TenantID
  private let now: Int64
  private let mayBegin: Bool
  private let seen = Lock(Seen())

  /// Without `mayBegin` only those that are active are taken. Time is monotonic, in ns.
  init(_ series: ActiveSeries, of tenant: TenantID, now: Int64, mayBegin: Bool) {
    self.series = series
    self.tenant = tenant
    self.now = now
    self.mayBegin = mayBegin
  }

  /// Whether a series is taken.
  func admit(_ id: SeriesID) -> Bool {
    let admission = series.admit(id, of: tenant, now: now, mayBegin: mayBegin)
    switch admission {
    case .begun: seen.withLock { $0.begun += 1 }
    case .tooSoon: seen.withLock { $0.tooSoon += 1 }
    case .active, .tooMany: break
    }
    return admission.isTaken
  }

  /// How many were taken that were not active before.
  var begun: Int { seen.withLock { $0.begun } }

  /// Whether some were not taken that will be later.
  var isTooSoon: Bool { seen.withLock { $0.tooSoon > 0 } }
}
