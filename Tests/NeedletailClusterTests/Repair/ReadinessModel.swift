@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// One slot, a handful of rows and every order of events: rows reach replicas one by one, disks are lost and windows
/// damaged, nodes stop and start, replicas are filled piece by piece, all while at most W-1 replicas lack something
/// at a time.
///
/// After each event it must hold that of the ready replicas at most N-W lack a row that was acknowledged: then any
/// N-W+1 of them have it.
struct ReadinessModel {
  private static let pieces = 2
  private static let slot: UInt16 = 0

  private struct Node {
    var isUp = true
    /// That of its disk; a new one with each disk, and with each time that something durable got lost.
    var identity: UInt64
    var rows: Set<Int> = []
    var readiness: ReplicaReadiness
    var records: [UInt16: ReplicaReadiness.Record] = [:]
    /// The newest assignment that it knows; kept on its disk.
    var epoch: UInt64 = 0
    var fill: Fill?
  }

  private struct Fill {
    var partner: Int
    var identity: UInt64
    var piece = 0
    var isReady = true
    var number: UInt64
  }

  private struct Row {
    /// The assignment that the writer knew when it began.
    var epoch: UInt64
    var holders: Set<Int> = []
    var isAcknowledged = false
  }

  private var generator: SeededGenerator
  private let count: Int
  private let writeQuorum: Int
  private var nodes: [Node] = []
  private var rows: [Row] = []
  /// That of the newest assignment: each loss makes a new one.
  private var epoch: UInt64 = 0
  /// Whether a replica refuses a write of an older assignment than it knows.
  private let isFenced: Bool
  private(set) var violation: String?
  private(set) var log: [String] = []
  private(set) var readies = 0
  private(set) var acknowledgements = 0
  private(set) var refusals = 0

  init(seed: UInt64, bug: PlantedReadBug? = nil, isFenced: Bool = true) {
    generator = SeededGenerator(seed: seed)
    count = 3 + generator.below(3)
    writeQuorum = count / 2 + 1 + (generator.chance(0.2) ? 1 : 0)
    self.isFenced = isFenced
    for number in 0..<count {
      var node = Node(identity: 0, readiness: ReplicaReadiness(name(number), records: [:]))
      // A founding assignment: nothing was acknowledged before it.
      node.records[Self.slot] = ReplicaReadiness.Record(since: 1, lacks: [])
      nodes.append(node)
      start(number, bug)
    }
  }

  private func name(_ number: Int) -> NodeID { NodeID("n\(number)") }

  private mutating func start(_ number: Int, _ bug: PlantedReadBug?) {
    nodes[number].readiness = ReplicaReadiness(name(number), records: nodes[number].records)
    nodes[number].readiness.bug = bug
    nodes[number].fill = nil
    assign(number, nodes[number].epoch)
  }

  private mutating func assign(_ number: Int, _ epoch: UInt64) {
    nodes[number].epoch = epoch
    perform(
      number,
      nodes[number].readiness.assigned(
        Self.slot, replicas: (0..<count).map(name), writeQuorum: writeQuorum, since: 1, epoch: epoch))
  }

  private mutating func perform(_ number: Int, _ actions: [ReplicaReadiness.Action]) {
    for case .store(let slot, let record) in actions { nodes[number].records[slot] = record }
    for case .ready(_, let grounds) in actions {
      readies += 1
      log.append("n\(number) is ready: \(grounds)")
    }
  }

  private func isReady(_ number: Int, _ piece: Int) -> Bool {
    nodes[number].readiness.isReady(Self.slot, Int64(piece)...Int64(piece))
  }

  private func isWhole(_ number: Int) -> Bool { nodes[number].readiness.state(of: Self.slot) == .ready }

  // MARK: - Events

  mutating func run(steps: Int) {
    for _ in 0..<steps where violation == nil {
      step()
      check()
    }
  }

  private mutating func step() {
    let number = generator.below(count)
    switch generator.below(20) {
    case 0:
      // A writer may not have heard yet of what happened last.
      rows.append(Row(epoch: epoch - min(epoch, UInt64(generator.below(3)))))
    case 1..<7:
      if !rows.isEmpty { store(generator.below(rows.count), number) }
    case 7: lose(number)
    case 8: damage(number)
    case 9:
      let bug = nodes[number].readiness.bug
      nodes[number].isUp.toggle()
      log.append("n\(number) \(nodes[number].isUp ? "starts" : "stops")")
      start(number, bug)
    case 10 where generator.chance(0.1):
      for number in nodes.indices {
        nodes[number].isUp = true
        start(number, nodes[number].readiness.bug)
      }
      log.append("all start anew")
    default: fill(number)
    }
  }

  /// A row reaches a replica, which acknowledges it at once.
  private mutating func store(_ row: Int, _ number: Int) {
    guard nodes[number].isUp, !rows[row].holders.contains(number) else { return }
    if nodes[number].epoch > rows[row].epoch, isFenced {
      refusals += 1
      return
    }
    if rows[row].epoch > nodes[number].epoch { assign(number, rows[row].epoch) }
    nodes[number].rows.insert(row)
    rows[row].holders.insert(number)
    log.append("n\(number) has row \(row)")
    if rows[row].holders.count >= writeQuorum, !rows[row].isAcknowledged {
      rows[row].isAcknowledged = true
      acknowledgements += 1
      log.append("row \(row) is acknowledged")
    }
  }

  private func mayLose(_ number: Int) -> Bool {
    nodes.indices.count { $0 != number && !isWhole($0) } < writeQuorum - 1
  }

  private mutating func lose(_ number: Int) {
    guard mayLose(number) else { return }
    log.append("n\(number) loses its disk")
    let (bug, identity) = (nodes[number].readiness.bug, nodes[number].identity + 1)
    epoch += 1
    nodes[number] = Node(identity: identity, readiness: nodes[number].readiness, epoch: epoch)
    start(number, bug)
  }

  private mutating func damage(_ number: Int) {
    let piece = generator.below(Self.pieces)
    guard mayLose(number), nodes[number].isUp else { return }
    log.append("n\(number) is damaged in \(piece)")
    for row in rows.indices where row % Self.pieces == piece && generator.chance(0.5) { nodes[number].rows.remove(row) }
    nodes[number].identity += 1
    epoch += 1
    assign(number, epoch)
    perform(number, nodes[number].readiness.damaged(Self.slot, Int64(piece)...Int64(piece)))
  }

  /// The next piece of a replica's filling.
  private mutating func fill(_ number: Int) {
    guard nodes[number].isUp else { return }
    guard var fill = nodes[number].fill else {
      let partner = generator.below(count)
      guard partner != number, nodes[partner].isUp, !isWhole(number) || generator.chance(0.2) else { return }
      meet(number, partner)
      nodes[number].fill = Fill(
        partner: partner, identity: nodes[partner].identity, number: nodes[number].readiness.fill(of: Self.slot))
      log.append("n\(number) begins with n\(partner)")
      return
    }
    guard nodes[fill.partner].isUp, nodes[fill.partner].identity == fill.identity,
      nodes[fill.partner].epoch <= nodes[number].epoch
    else {
      nodes[number].fill = nil
      return
    }
    let partner = nodes[fill.partner]
    nodes[number].rows.formUnion(partner.rows.filter { $0 % Self.pieces == fill.piece })
    fill.isReady = fill.isReady && (0..<Self.pieces).allSatisfy { isReady(fill.partner, $0) }
    fill.piece += 1
    nodes[number].fill = fill.piece < Self.pieces ? fill : nil
    guard fill.piece == Self.pieces else { return }
    log.append("n\(number) ends with n\(fill.partner), ready \(fill.isReady)")
    perform(
      number,
      nodes[number].readiness.compared(
        ReplicaReadiness.Comparison(
          slot: Self.slot, node: name(fill.partner), wasReady: fill.isReady, windows: .min ... .max, fill: fill.number))
    )
  }

  /// Two that compare know the same assignment, and with it each other's disks.
  private mutating func meet(_ one: Int, _ other: Int) {
    let newest = max(nodes[one].epoch, nodes[other].epoch)
    for number in [one, other] where nodes[number].epoch < newest { assign(number, newest) }
  }

  private mutating func check() {
    for (row, state) in rows.enumerated() where state.isAcknowledged {
      let lacking = nodes.indices.filter { isReady($0, row % Self.pieces) && !nodes[$0].rows.contains(row) }
      if lacking.count > count - writeQuorum {
        violation = "N=\(count) W=\(writeQuorum): of the ready replicas \(lacking) lack row \(row)"
      }
    }
  }
}
