import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry

@testable import NeedletailCluster

/// What surrounds the simulated nodes: time, the network, what clients sent and heard, and what was found wrong.
struct ClusterWorld {
  enum Event {
    case message(from: Int, to: Int, [UInt8])
    /// A node's machines want to be called.
    case wake(Int, life: Int)
    /// A node's disk has so many operations more.
    case synced(Int, life: Int, count: Int)
    case client
    case fault
    case restart(Int)
    case mend(from: Int, to: Int)
    /// A node hears of an assignment.
    case epoch(Int, UInt64)
    case check
  }

  /// A write that a client sent, for as long as somebody may still answer.
  struct ClientWrite {
    var rows: [SimulatedRow]
    var isAcknowledged = false
  }

  static let millisecond: Int64 = 1_000_000

  let nodes: [NodeID]
  let assignment: SlotAssignment
  let groups: ReplicaGroups
  var generator: SeededGenerator
  var plan: FaultPlan
  private(set) var now: Int64 = 0
  private var queue = EventQueue<Event>()
  /// Ordered pairs of nodes between which nothing passes.
  var cuts: Set<[Int]> = []
  /// The newest assignment: each new disk and each damage makes one.
  private(set) var epoch: UInt64 = 1
  var writes: [WriteID: ClientWrite] = [:]
  var sent: Set<SimulatedRow> = []
  /// In the order in which they were acknowledged.
  var acknowledged: [[SimulatedRow]] = []
  var violations: [String] = []
  var counts: [String: Int] = [:]
  private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
  private(set) var log: [String] = []
  private let isLogged: Bool

  init(seed: UInt64, isLogged: Bool) {
    var generator = SeededGenerator(seed: seed)
    let nodes = (0..<Int.random(in: 3...6, using: &generator)).map { NodeID("n\($0)") }
    self.nodes = nodes
    let slots = SlotMap(count: 16) ?? .standard
    assignment = SlotAssignment(
      HashRing(nodes.map { RingMember($0) }), slots: slots, replicaCount: 3)
    groups = ReplicaGroups(assignment)
    plan = .none
    self.generator = generator
    self.isLogged = isLogged
  }

  // MARK: - Time

  mutating func next() -> Event? {
    guard let (time, event) = queue.pop() else { return nil }
    now = time
    return event
  }

  mutating func schedule(_ event: Event, after delay: Int64) { queue.add(event, at: now + max(0, delay)) }

  mutating func schedule(_ event: Event, at time: Int64) { queue.add(event, at: max(now, time)) }

  /// A random time, in ns, of some ms.
  mutating func time(_ milliseconds: ClosedRange<Int64>) -> Int64 {
    Int64.random(
      in: (milliseconds.lowerBound * Self.millisecond)...(milliseconds.upperBound * Self.millisecond), using: &generator
    )
  }

  // MARK: - The network

  func node(_ id: NodeID) -> Int? { nodes.firstIndex(of: id) }

  mutating func send(_ bytes: [UInt8], from: Int, to: Int) {
    count("messages")
    guard !cuts.contains([from, to]), !chance(plan.lossPercent) else { return count("lost messages") }
    for _ in 0..<(chance(plan.duplicatePercent) ? 2 : 1) {
      schedule(.message(from: from, to: to, bytes), after: time(0...plan.delayMax))
    }
  }

  mutating func chance(_ percent: Int) -> Bool {
    percent > 0 && Int.random(in: 0..<100, using: &generator) < percent
  }

  /// A new assignment, of which all others hear some time.
  mutating func makeEpoch(by node: Int) -> UInt64 {
    epoch += 1
    for other in nodes.indices where other != node { schedule(.epoch(other, epoch), after: time(1...1_500)) }
    return epoch
  }

  // MARK: - What happened

  mutating func count(_ what: String, _ number: Int = 1) { counts[what, default: 0] += number }

  mutating func note(_ line: @autoclosure () -> String) {
    let text = "\(now) \(line())"
    for byte in text.utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
    if isLogged { log.append(text) }
  }

  mutating func violation(_ text: String) {
    note("VIOLATION \(text)")
    if violations.count < 10 { violations.append("\(now / Self.millisecond) ms: \(text)") }
  }

  mutating func completed(_ write: WriteID, _ outcome: WriteOutcome) {
    note("write \(write) \(outcome)")
    count("writes: \(outcome == .acknowledged ? "acknowledged" : "not acknowledged")")
    guard outcome == .acknowledged, let known = writes[write], !known.isAcknowledged else { return }
    writes[write]?.isAcknowledged = true
    acknowledged.append(known.rows)
  }

  /// A read came to its end that began when so many writes were acknowledged.
  mutating func completed(_ coverage: SlotCoverage, rows: Set<SimulatedRow>, began: Int) {
    note("read \(coverage.text) \(rows.count) rows")
    count(coverage.isPartial ? "reads: partial" : "reads: whole")
    if !rows.isSubset(of: sent) { violation("a read invented rows") }
    for row in acknowledged.prefix(began).joined()
    where coverage.asked.contains(row.slot) && !coverage.short.contains(row.slot) && !rows.contains(row) {
      violation("a read that says that slot \(row.slot) is whole lacks an acknowledged row")
      return
    }
  }
}
