import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// What every part of a simulation of collectors and replicas shares: time, chance, the network between them, and the truth.
struct WriteWorld {
  enum Event {
    /// A message arrives; a node's number is its place in `nodes`, a collector's comes behind them.
    case arrive(from: Int, to: Int, [UInt8])
    /// The sender of an attempt learns that there is no way.
    case unreachable(collector: Int, node: Int, [UInt8])
    /// A replica's disk has all that was given to it before.
    case synced(node: Int, life: Int)
    /// A collector's disk has a hint.
    case hintSynced(collector: Int, life: Int, node: Int, sequence: UInt64)
    case begin(collector: Int, WriteID)
    case tick(collector: Int, life: Int)
    case crash(Int)
    case restart(Int)
    /// A collector hears that a node is up or down.
    case membership(collector: Int, node: Int, isUp: Bool)
    case setCut(from: Int, to: Int, Bool)
    case heal
  }

  /// A write of a client, and what became of it.
  struct Write {
    let id: WriteID
    let slots: [UInt16]
    let level: WriteLevel
    var begins = 0
    var outcomes = 0
    /// Begins whose collector died before it told an outcome.
    var lost = 0
    var isAcknowledged = false
    /// Its collector died when it still had to see to the replicas that missed it.
    var isOrphan = false
    var deadline: Int64 = 0
  }

  /// What there is of each fault, by the seed: some runs have none of some kind.
  struct Faults {
    var lossPercent = 0
    var duplicatePercent = 0
    var delayMax: Int64 = 1_000_000
    var overloadPercent = 0
    var diskErrorPercent = 0
  }

  let seed: UInt64
  var generator: SeededGenerator
  private(set) var now: Int64 = 0
  private var queue = TimerQueue()
  private var events: [UInt64: Event] = [:]
  private var order: UInt64 = 0
  let nodes: [NodeID]
  let collectors: Int
  let old: SlotAssignment
  let new: SlotAssignment?
  var faults = Faults()
  var down: Set<Int> = []
  var cut: Set<[Int]> = []
  var isHealed = false
  var writes: [WriteID: Write] = [:]
  /// In the order in which clients made them.
  var writeIDs: [WriteID] = []
  /// Slots in which a node was reported as in need of repair.
  var repairs: [Set<UInt16>]
  /// What was acknowledged just now.
  var acknowledged: [WriteID] = []
  var violations: [String] = []
  var counts: [String: Int] = [:]
  /// Every event and every outcome, a line each, where they are wanted.
  var log: [String] = []
  let isLogged: Bool

  init(seed: UInt64, isLogged: Bool) {
    self.seed = seed
    self.isLogged = isLogged
    generator = SeededGenerator(seed: seed)
    let count = Int.random(in: 3...7, using: &generator)
    nodes = (0..<count).map { NodeID("replica-\($0)") }
    collectors = Int.random(in: 1...2, using: &generator)
    let slots = SlotMap(count: 48) ?? .standard
    let isChanging = Int.random(in: 0..<3, using: &generator) == 0
    let members = nodes.map { RingMember($0) }
    let replicas = Int.random(in: 1...min(5, count), using: &generator)
    old = SlotAssignment(
      HashRing(isChanging ? members.dropLast() : members), slots: slots, replicaCount: replicas)
    new =
      isChanging
      ? SlotAssignment(HashRing(Array(members.dropFirst())), slots: slots, replicaCount: replicas)
      : nil
    repairs = [Set<UInt16>](repeating: [], count: count)
  }

  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }

  mutating func time(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &generator) * 1_000_000 }

  mutating func note(_ what: String) { counts[what, default: 0] += 1 }

  mutating func write(_ line: @autoclosure () -> String) { if isLogged { log.append("\(now) \(line())") } }

  mutating func schedule(after delay: Int64, _ event: Event) {
    order += 1
    events[order] = event
    queue.add(TimerQueue.Entry(time: now + max(0, delay), serial: order, index: 0))
  }

  /// The event that comes next; time moves to it. Nil when nothing is left.
  mutating func next() -> Event? {
    guard let entry = queue.popDue(at: .max), let event = events.removeValue(forKey: entry.serial) else { return nil }
    now = entry.time
    return event
  }

  /// Hands a message to the network, which may lose, double and delay it.
  mutating func send(_ bytes: [UInt8], from: Int, to: Int) {
    if cut.contains([from, to]) || chance(faults.lossPercent) {
      note("lost")
      return
    }
    let copies = chance(faults.duplicatePercent) ? 2 : 1
    if copies == 2 { note("doubled") }
    for _ in 0..<copies {
      schedule(after: Int64.random(in: 0...faults.delayMax, using: &generator), .arrive(from: from, to: to, bytes))
    }
  }

  /// Old and new owners of a slot.
  func owners(of slot: UInt16) -> [[NodeID]] { [old.replicas(of: slot)] + (new.map { [$0.replicas(of: slot)] } ?? []) }

  /// A number that follows from a write and a node, for what a node thinks of a write.
  func mix(_ id: WriteID, _ node: Int) -> UInt64 {
    var word = id.bits.low &+ UInt64(node) &* 0x9E37_79B9_7F4A_7C15
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    return word ^ (word >> 27)
  }

  /// Whether a node will never take a write.
  func isRefusing(_ id: WriteID, _ node: Int) -> Bool { id.bits.low % 16 == 0 && mix(id, node) % 3 == 0 }

  /// The rows of a write for a node, as a frame that says whose they are.
  func frame(_ id: WriteID, _ node: Int, definitions: Bool) -> ArraySlice<UInt8> {
    var writer = ByteWriter()
    writer.append(id.bits)
    writer.append(UInt8(truncatingIfNeeded: node))
    writer.append(UInt8(definitions ? 1 : 0))
    return writer.bytes[...]
  }
}
