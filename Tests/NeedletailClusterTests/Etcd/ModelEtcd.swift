import NeedletailTelemetry

@testable import NeedletailCluster

/// What an etcd does with a node's requests: keys, revisions and leases, on a virtual clock.
struct ModelEtcd {
  /// What a test breaks on purpose.
  enum Bug: CaseIterable {
    /// The key of an epoch is put, whether it is there or not.
    case ignoresExisting
    /// What an epoch follows from is not looked at.
    case ignoresBasis
    /// Old decisions are deleted together with newer ones.
    case deletesAll
  }

  struct Entry {
    var value: [UInt8]
    var revision: Int64
  }

  var bug: Bug?
  private(set) var revision: Int64 = 1
  /// Without what stands before all of them.
  private(set) var decisions: [String: Entry] = [:]
  private(set) var members: [NodeID: (entry: EtcdRegistration, lease: Int64)] = [:]
  private var leases: [Int64: (seconds: Int64, until: Int64)] = [:]
  private var lastLease: Int64 = 100
  var unreadable: [EtcdUnreadable] = []

  /// Lets go of what nobody has kept alive.
  mutating func expire(_ now: Int64) {
    leases = leases.filter { $0.value.until > now }
    let left = Set(leases.keys)
    members = members.filter { left.contains($0.value.lease) }
  }

  /// Ends all leases, as an etcd does that was away for long.
  mutating func endLeases() {
    leases = [:]
    members = [:]
  }

  /// Forgets everything.
  mutating func empty() {
    endLeases()
    decisions = [:]
    revision = 1
  }

  /// Puts something that no node puts there.
  mutating func put(_ value: [UInt8], at key: String) {
    revision += 1
    decisions[key] = Entry(value: value, revision: revision)
  }

  mutating func delete(_ key: String) { decisions[key] = nil }

  mutating func perform(_ request: EtcdRequest, now: Int64) -> Result<EtcdAnswer, EtcdFailure> {
    expire(now)
    switch request {
    case .grant(let seconds):
      lastLease += 1
      leases[lastLease] = (seconds, now + seconds * 1_000_000_000)
      return .success(.granted(lease: lastLease, seconds: seconds))
    case .keepAlive(let lease):
      guard let seconds = leases[lease]?.seconds else { return .success(.keptAlive(seconds: 0)) }
      leases[lease]?.until = now + seconds * 1_000_000_000
      return .success(.keptAlive(seconds: seconds))
    case .register(let entry, let lease):
      guard leases[lease] != nil else { return .failure(.leaseGone) }
      members[entry.record.node] = (entry, lease)
      return .success(.registered)
    case .members:
      let entries = members.values.map(\.entry).sorted { $0.record.node < $1.record.node }
      return .success(.members(entries, unreadable: unreadable))
    case .epochs: return .success(.epochs(newest.map(\.mark)))
    case .topologies: return .success(.topologies(newest))
    case .decide(let topology, let basis): return .success(decide(topology, basis))
    }
  }

  private var newest: [EtcdDecision] {
    decisions.sorted { $0.key > $1.key }.prefix(EtcdDecision.readMax).map { key, entry in
      EtcdDecision(key: key, revision: entry.revision, value: entry.value)
    }
  }

  private mutating func decide(_ topology: Topology, _ basis: Topology?) -> EtcdAnswer {
    let key = EtcdDecision.key(topology.epoch)
    let isNew = basis == nil ? decisions.isEmpty : decisions[key] == nil
    let follows = basis.map { decisions[EtcdDecision.key($0.epoch)]?.value == $0.encoded } ?? true
    guard isNew || bug == .ignoresExisting, follows || bug == .ignoresBasis else { return .decided(false, newest) }
    put(topology.encoded, at: key)
    let kept: UInt64 = bug == .deletesAll ? 0 : EtcdDecision.keptMax
    if topology.epoch > kept {
      let (first, end) = (EtcdDecision.key(0), EtcdDecision.key(topology.epoch - kept + 1))
      decisions = decisions.filter { $0.key < first || $0.key >= end }
    }
    return .decided(true, [])
  }
}
