import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// A cluster under load, faults and changes of its members, then healed, and what must hold whatever happened. The same seed gives the
/// same run.
struct ClusterSimulation {
  /// What the run is at.
  enum Phase {
    /// The cluster is founded.
    case founding
    case faults(until: Int64)
    case healing(until: Int64)
    /// All is well, and only time goes on: rows expire.
    case resting(until: Int64)
    /// All is well, but that some nodes are away.
    case someAway(until: Int64)
    case done
  }

  static let second: Int64 = 1_000_000_000
  /// No run comes near it, unless something goes on for ever.
  private static let stepsMax = 1_500_000

  let seed: UInt64
  let plants: Plants
  var world: ClusterWorld
  var shells: [ClusterShell] = []
  private(set) var steps = 0
  var phase = Phase.founding
  var faults: FaultPlan
  private var series: [Hash128] = []
  /// Nodes that will not come back by themselves.
  var deadForGood: Set<Int> = []
  /// Whether all was well once, and what is left is to see what goes on while some are away.
  var hasConverged = false
  var isRested = false
  /// What clients send again and again until it is acknowledged, and where.
  var persistent: [Int: WriteID] = [:]

  static func run(
    seed: UInt64, isLogged: Bool = false, plants: Plants = Plants()
  ) -> ClusterSimulation {
    var simulation = ClusterSimulation(seed: seed, isLogged: isLogged, plants)
    simulation.run()
    return simulation
  }

  private init(seed: UInt64, isLogged: Bool, _ plants: Plants) {
    self.seed = seed
    self.plants = plants
    world = ClusterWorld(seed: seed, isLogged: isLogged)
    faults = FaultPlan(&world.generator)
    if world.settings.isBeyondTheModel { (faults.lostDisks, faults.damage) = (true, true) }
    for number in world.nodes.indices {
      var shell = ClusterShell(number, &world)
      shell.plants = plants
      shells.append(shell)
    }
    series = (0..<30).map { _ in Hash128(high: world.generator.next(), low: world.generator.next()) }
    if world.settings.retention.length != nil { for number in shells.indices { setClock(number) } }
    if world.settings.founders < world.settings.replicas { world.reach(.clusterOfFewerNodesThanReplicas) }
    for number in shells.indices {
      let isSpare = number >= world.settings.founders
      world.schedule(.restart(number), after: world.time(0...(isSpare ? 4_000 : 300)))
    }
    world.schedule(.check, after: Self.second)
  }

  private mutating func run() {
    while world.violations.isEmpty, let event = world.next() {
      steps += 1
      if steps > Self.stepsMax { world.violation("it does not come to an end") }
      handle(event)
      if case .done = phase { break }
    }
    for shell in shells where shell.isUp { shell.tellCounters(&world) }
  }

  private mutating func handle(_ event: ClusterWorld.Event) {
    switch event {
    case .message(let from, let to, let bytes):
      if isPaused(to, event) { return }
      shells[to].receive(bytes, from: from, &world)
    case .wake(let number, let life):
      if isPaused(number, event) { return }
      shells[number].wake(life: life, &world)
    case .synced(let number, let life, let count):
      if isPaused(number, event) { return }
      shells[number].synced(life: life, count: count, &world)
    case .lateAnswer(let number, let life, let request, let rows, let to):
      if shells[number].isUp, shells[number].life == life {
        shells[number].finish(request, rows, to: to, &world)
      }
    case .client: client()
    case .fault: fault()
    case .operate: operate()
    case .restart(let number):
      if !shells[number].isUp, !deadForGood.contains(number) { shells[number].start(&world) }
    case .stopped(let number, let life):
      if shells[number].isUp, shells[number].life == life { stopped(number) }
    case .mend(let from, let to): world.cuts.remove([from, to])
    case .check: check()
    }
  }

  /// What comes to a process that stands still waits until it goes on.
  private mutating func isPaused(_ number: Int, _ event: ClusterWorld.Event) -> Bool {
    guard shells[number].isUp, shells[number].pausedUntil > world.now else { return false }
    world.schedule(event, at: shells[number].pausedUntil)
    return true
  }

  // MARK: - Clients

  private mutating func client() {
    switch phase {
    case .faults:
      world.schedule(.client, after: world.time(20...120))
      let number = Int.random(in: shells.indices, using: &world.generator)
      guard shells[number].isUp, shells[number].pausedUntil <= world.now else { return }
      if world.chance(40) { read(at: number) } else { write(at: number) }
    case .someAway:
      world.schedule(.client, after: world.time(300...500))
      for number in shells.indices where shells[number].isUp { insist(at: number) }
    case .founding, .healing, .resting, .done: return
    }
  }

  private mutating func read(at number: Int) {
    let all = (0..<UInt16(ClusterWorld.slotCount))
    let isAll = world.chance(60)
    let slots = SlotSet(isAll ? Array(all) : all.filter { _ in world.chance(30) })
    let partial: QuorumRead.Partial = world.chance(50) ? .allow : .deny
    guard !slots.isEmpty else { return }
    let question = ClusterShell.Question(slots: slots, partial: partial, began: world.acknowledged.count)
    shells[number].read(question, &world)
  }

  private mutating func write(at number: Int) {
    // Now and then a client sends again what was not acknowledged, to another node.
    if world.chance(15), let again = world.writes.filter({ !$0.value.isAcknowledged }).keys.sorted().last {
      world.count("writes sent again")
      return shells[number].begin(again, world.writes[again]?.rows ?? [], &world)
    }
    let (id, rows) = newWrite()
    shells[number].begin(id, rows, &world)
  }

  private mutating func newWrite() -> (WriteID, [SimulatedRow]) {
    let id = WriteID(Hash128(high: world.generator.next(), low: world.generator.next()))
    let rows = (0..<Int.random(in: 1...8, using: &world.generator)).map { _ in
      let series = series[Int.random(in: self.series.indices, using: &world.generator)]
      return SimulatedRow(
        slot: (SlotMap(count: ClusterWorld.slotCount) ?? .standard).slot(of: series), series: series,
        window: newWindow(),
        // Few enough that some are sent twice with different values.
        time: UInt32.random(in: 0..<40, using: &world.generator), value: world.generator.next())
    }
    world.writes[id] = ClusterWorld.ClientWrite(rows: rows, losses: world.losses)
    world.sent.formUnion(rows)
    return (id, rows)
  }

  /// An hour of a row: one of a few, or any that is not over for everybody.
  mutating func newWindow() -> Int64 {
    let now = SimulatedRetention.window(at: SimulatedRetention.start + world.now)
    guard let length = world.settings.retention.length else {
      return SimulatedRetention.start / SimulatedRetention.hour + Int64.random(in: 0..<5, using: &world.generator)
    }
    return now - Int64.random(in: 0...(length / SimulatedRetention.hour), using: &world.generator)
  }

  /// A client that goes on until its write is acknowledged and a read of everything is whole.
  private mutating func insist(at number: Int) {
    if let id = persistent[number], let known = world.writes[id] {
      if !known.isAcknowledged, shells[number].payloads[id] == nil { shells[number].begin(id, known.rows, &world) }
    } else {
      let (id, rows) = newWrite()
      persistent[number] = id
      shells[number].begin(id, rows, &world)
    }
    guard !world.wholeReads.contains(number), shells[number].reads.isEmpty else { return }
    let all = SlotSet(0..<UInt16(ClusterWorld.slotCount))
    shells[number].read(
      ClusterShell.Question(slots: all, partial: .deny, began: world.acknowledged.count), &world)
  }
}
