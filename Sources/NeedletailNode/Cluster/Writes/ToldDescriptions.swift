import NeedletailEnvironment
import NeedletailTelemetry

/// Which descriptions of metrics the replicas were told a short while ago, so that those that come with every request are not sent
/// with every request.
///
/// After an hour they are told anew: what replicas keep for some days they are to hear of on each of them.
final class ToldDescriptions: Sendable {
  private struct State {
    var since: Int64
    var epoch: UInt64 = 0
    /// Hashes of single descriptions, and of all of a request's together.
    var known: Set<Hash128> = []
  }

  /// Descriptions of some, for those who hold the slots that these lie in.
  struct Untold: Sendable {
    var definitions: SeriesDefinitions
    /// Ascending.
    var slots: [UInt16]
    fileprivate var hashes: [Hash128]
  }

  private static let forgetAfter: Int64 = 3_600_000_000_000
  private static let knownMax = 65_536

  private let clock: any WallClock
  private let state: Lock<State>

  init(clock: any WallClock) {
    self.clock = clock
    state = Lock(State(since: clock.monotonicNanoseconds()))
  }

  /// Those among the metadata of definitions that were not told under this version of the assignment; nil where all were, or
  /// there are none.
  ///
  /// O(bytes of the metadata), which are not looked into where the same were told together before. Throws where they are
  /// malformed.
  func untold(of definitions: SeriesDefinitions, _ slots: SlotMap, epoch: UInt64) throws -> Untold? {
    guard let together = definitions.metadataHash else { return nil }
    let now = clock.monotonicNanoseconds()
    let known = state.withLock { state in
      if state.epoch != epoch || now &- state.since >= Self.forgetAfter || state.known.count > Self.knownMax {
        state = State(since: now, epoch: epoch)
      }
      return state.known
    }
    if known.contains(together) { return nil }
    var builder = SeriesDefinitionsBuilder()
    var found = Set<UInt16>()
    var hashes = [together]
    try definitions.forEachMetric { name, description in
      let key = MetricMetadata.key(of: name, tenant: definitions.tenant)
      let digest = description.digest(of: key)
      let hash = Hash128(high: digest.high, low: digest.low)
      guard !known.contains(hash) else { return }
      hashes.append(hash)
      found.insert(slots.slot(of: key))
      builder.append(metric: name, description)
    }
    guard let built = builder.build(tenant: definitions.tenant) else {
      note(hashes, epoch)
      return nil
    }
    return Untold(definitions: built, slots: found.sorted(), hashes: hashes)
  }

  /// Notes that they were acknowledged under a version of the assignment.
  func note(_ told: Untold, epoch: UInt64) { note(told.hashes, epoch) }

  private func note(_ hashes: [Hash128], _ epoch: UInt64) {
    state.withLock { state in
      if state.epoch == epoch { state.known.formUnion(hashes) }
    }
  }
}
