@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// A node of the simulation: a disk, what is in memory, and the state machines that ship.
struct RepairReplica {
  struct View: RepairSource {
    let identity: NodeIdentity
    let firstWindow: Int64
    let trees: [UInt16: MerkleTree]
    let readiness: ReplicaReadiness
    let unavailable: Set<NodeID>
    let epoch: UInt64

    var lastWindow: Int64 { .max }
    func holds(_ slot: UInt16) -> Bool { trees[slot] != nil }
    func epoch(of slot: UInt16) -> UInt64 { epoch }
    func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool { readiness.isReady(slot, windows) }
    func fill(of slot: UInt16) -> UInt64 { readiness.fill(of: slot) }
    func isAvailable(_ node: NodeID) -> Bool { !unavailable.contains(node) }
  }

  let id: NodeID
  let partners: [UInt16: [NodeID]]
  let writeQuorum: Int
  let bug: PlantedReadBug?

  // On disk.
  private(set) var disk: UInt64 = 0
  private(set) var durable: Set<ClusterItem> = []
  var records: [UInt16: ReplicaReadiness.Record] = [:]
  var cursor: AntiEntropy.Cursor?
  /// The newest assignment that it knows.
  var assignment: UInt64 = 1

  // In memory.
  private(set) var isUp = true
  /// What is under way is of one of these, and lost with it.
  private(set) var epoch = 0
  private(set) var rows: Set<ClusterItem> = []
  private(set) var trees: [UInt16: MerkleTree] = [:]
  var readiness: ReplicaReadiness
  var repair: AntiEntropy

  init(
    _ id: NodeID, partners: [UInt16: [NodeID]], writeQuorum: Int, bug: PlantedReadBug?,
    using generator: inout SeededGenerator
  ) {
    self.id = id
    self.partners = partners
    self.writeQuorum = writeQuorum
    self.bug = bug
    readiness = ReplicaReadiness(id, records: [:])
    repair = AntiEntropy(Self.settings, cursor: nil, using: &generator)
    for slot in partners.keys { records[slot] = ReplicaReadiness.Record(since: 1, lacks: []) }
  }

  private static var settings: AntiEntropy.Settings {
    var settings = AntiEntropy.Settings()
    settings.pause = 100
    settings.timeout = 400
    settings.bytesPerSecond = 2_000_000_000
    settings.seriesPerMessage = 2
    return settings
  }

  var identity: NodeIdentity {
    NodeIdentity(Hash128(high: id.rawValue.utf8.reduce(0) { $0 << 8 | UInt64($1) }, low: disk))
  }

  func view(_ unavailable: Set<NodeID>) -> View {
    View(
      identity: identity, firstWindow: 0, trees: trees, readiness: readiness,
      unavailable: unavailable, epoch: assignment)
  }

  /// Whether it would start with something that it lacks.
  func lacks(_ slot: UInt16) -> Bool { records[slot]?.lacks.isEmpty != true }

  /// Learns of a newer assignment, which has the same replicas, of which some have other disks.
  mutating func learn(_ epoch: UInt64) -> [ReplicaReadiness.Action] {
    guard epoch > assignment else { return [] }
    assignment = epoch
    return assign()
  }

  private mutating func assign() -> [ReplicaReadiness.Action] {
    partners.sorted { $0.key < $1.key }.flatMap { slot, others in
      readiness.assigned(
        slot, replicas: others + [id], writeQuorum: writeQuorum, since: 1, epoch: assignment)
    }
  }

  // MARK: - Rows

  mutating func add(_ item: ClusterItem) {
    guard rows.insert(item).inserted else { return }
    trees[item.slot]?.add(item.digest, window: item.window, bucket: item.bucket)
  }

  mutating func sync(_ items: some Sequence<ClusterItem>) { durable.formUnion(items) }

  func summary(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> SlotTree {
    trees[slot]?.summary(windows) ?? SlotTree()
  }

  func children(_ slot: UInt16, _ node: TreeNode, _ windows: ClosedRange<Int64>) -> [RepairMessage.Child] {
    trees[slot]?.children(of: node, within: windows) ?? []
  }

  func rows(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> [ClusterItem] {
    rows.filter { $0.slot == slot && windows.contains($0.window) }.sorted { $0.number < $1.number }
  }

  func series(_ slot: UInt16, _ window: Int64, _ bucket: UInt8) -> [RepairMessage.Series] {
    let found = Dictionary(grouping: rows(slot, window...window).filter { RepairMessage.Bucket(bucket).has($0.series) })
    { $0.series }
    return found.map { RepairMessage.Series(id: $0.key, digest: $0.value.digest) }.sorted { $0.id < $1.id }
  }

  // MARK: - Faults

  mutating func crash() {
    isUp = false
    epoch += 1
  }

  mutating func loseDisk(_ epoch: UInt64) {
    crash()
    disk += 1
    assignment = epoch
    durable = []
    records = [:]
    cursor = nil
  }

  /// Some rows of a window are gone.
  mutating func damage(_ window: Int64, _ epoch: UInt64, using generator: inout SeededGenerator) -> [ReplicaReadiness
    .Action]
  {
    disk += 1
    assignment = epoch
    let lost = rows.filter { $0.window == window }.sorted { $0.number < $1.number }
      .filter { _ in generator.chance(0.6) }
    for item in lost {
      rows.remove(item)
      durable.remove(item)
      trees[item.slot]?.remove(item.digest, window: item.window, bucket: item.bucket)
    }
    return partners.keys.sorted().flatMap { readiness.damaged($0, window...window) }
  }

  mutating func start(using generator: inout SeededGenerator) -> [ReplicaReadiness.Action] {
    isUp = true
    epoch += 1
    rows = []
    trees = partners.mapValues { _ in
      var tree = MerkleTree()
      tree.bug = bug
      return tree
    }
    for item in durable { add(item) }
    readiness = ReplicaReadiness(id, records: records)
    readiness.bug = bug
    repair = AntiEntropy(Self.settings, cursor: cursor, using: &generator)
    repair.bug = bug
    repair.setDuties(partners)
    return assign()
  }
}
