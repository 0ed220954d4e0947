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
    /// A node says something that it worked out some time ago, as only a bug does.
    case lateAnswer(Int, life: Int, ReadMessage.Request, rows: [SimulatedRow], to: Int)
    case client
    case fault
    case operate
    case restart(Int)
    /// A node that was asked to stop has ended.
    case stopped(Int, life: Int)
    case mend(from: Int, to: Int)
    case check
  }

  /// A write that a client sent, for as long as somebody may still answer.
  struct ClientWrite {
    var rows: [SimulatedRow]
    var isAcknowledged = false
    /// How much had been lost when it was sent first.
    var losses = 0
  }

  static let millisecond: Int64 = 1_000_000
  static let slotCount = 16

  let settings: ClusterSettings
  let nodes: [NodeID]
  var generator: SeededGenerator
  var plan: FaultPlan
  private(set) var now: Int64 = 0
  private var queue = EventQueue<Event>()
  /// Ordered pairs of nodes between which nothing passes.
  var cuts: Set<[Int]> = []
  /// Until when all that comes to a node comes late.
  var slowUntil: [Int64]
  /// The topologies that were decided, by epoch.
  var chosen: [Topology] = []
  var layouts: [UInt64: SimulatedLayout] = [:]
  /// The newest epoch that each node's disk was told of; nil for a new disk.
  var known: [UInt64?]
  /// What each node's disk has of rows, as far as it is durable; where something is lost it is not here.
  var durable: [RowSet]
  var writes: [WriteID: ClientWrite] = [:]
  var sent: Set<SimulatedRow> = []
  /// In the order in which they were acknowledged.
  var acknowledged: [[SimulatedRow]] = []
  var acknowledgedOfSlot = [[SimulatedRow]](repeating: [], count: slotCount)
  /// The nodes at which all was read and was whole.
  var wholeReads: Set<Int> = []
  /// By how much the nodes' clocks on the wall are off, and the latest that any of them ever showed before one was set.
  var clockOffsets: [Int64]
  var latestWall = Int64.min
  /// Since when no fault is new, and how many rows came since that had expired where they came.
  var healedAt: Int64?
  var expiredArrivals = 0
  /// Nodes that do not run.
  var down: Set<Int> = []
  /// How often a node lost something.
  var losses = 0
  var violations: [String] = []
  var counts: [String: Int] = [:]
  private var reached = [Int](repeating: 0, count: ClusterProbe.allCases.count)
  private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
  private(set) var log: [String] = []
  private let isLogged: Bool

  init(seed: UInt64, isLogged: Bool) {
    var generator = SeededGenerator(seed: seed)
    settings = ClusterSettings(&generator)
    let nodes = (0..<(settings.founders + settings.spares)).map { NodeID("n\($0)") }
    self.nodes = nodes
    plan = .none
    slowUntil = nodes.map { _ in 0 }
    known = nodes.map { _ in nil }
    durable = nodes.map { _ in RowSet() }
    clockOffsets = nodes.map { _ in 0 }
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

  mutating func chance(_ percent: Int) -> Bool {
    percent > 0 && Int.random(in: 0..<100, using: &generator) < percent
  }

  // MARK: - The network

  func node(_ id: NodeID) -> Int? { nodes.firstIndex(of: id) }

  mutating func send(_ bytes: [UInt8], from: Int, to: Int) {
    count("messages")
    guard !cuts.contains([from, to]), !chance(plan.lossPercent) else { return count("fault: lost messages") }
    let isDouble = chance(plan.duplicatePercent)
    if isDouble { count("fault: doubled messages") }
    for _ in 0..<(isDouble ? 2 : 1) {
      let late = slowUntil[to] > now ? time(20...400) : 0
      schedule(.message(from: from, to: to, bytes), after: time(0...plan.delayMax) + late)
    }
  }

  // MARK: - What happened

  mutating func count(_ what: String, _ number: Int = 1) { counts[what, default: 0] += number }

  /// A rare state was come to.
  mutating func reach(_ probe: ClusterProbe, _ times: Int = 1) {
    if times > 0, let place = Self.places[probe] { reached[place] += times }
  }

  private static let places = Dictionary(
    uniqueKeysWithValues: ClusterProbe.allCases.enumerated().map { ($1, $0) })

  var probes: [ClusterProbe: Int] {
    Dictionary(uniqueKeysWithValues: zip(ClusterProbe.allCases, reached).filter { $0.1 > 0 })
  }

  mutating func note(_ line: @autoclosure () -> String) {
    let text = "\(now) \(line())"
    for byte in text.utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
    if isLogged { log.append(text) }
  }

  mutating func violation(_ text: String) {
    note("VIOLATION \(text)")
    if violations.count < 10 { violations.append("\(now / Self.millisecond) ms: \(text)") }
  }
}
