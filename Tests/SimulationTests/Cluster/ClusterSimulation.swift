import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// A cluster under load and faults, then healed, and what must hold whatever happened. The same seed gives the same run.
struct ClusterSimulation {
  /// What the run is at.
  private enum Phase {
    /// All replicas become ready for the first time.
    case filling
    case faults(until: Int64)
    case healing(until: Int64)
    case done
  }

  private static let second: Int64 = 1_000_000_000
  /// No run comes near it, unless something goes on for ever.
  private static let stepsMax = 600_000

  let seed: UInt64
  var world: ClusterWorld
  var shells: [ClusterShell] = []
  private(set) var steps = 0
  private var phase = Phase.filling
  private var faults: FaultPlan
  private var series: [Hash128] = []

  static func run(
    seed: UInt64, isLogged: Bool = false, plants: Plants = Plants()
  ) -> ClusterSimulation {
    var simulation = ClusterSimulation(seed: seed, isLogged: isLogged, plants)
    simulation.run()
    return simulation
  }

  private init(seed: UInt64, isLogged: Bool, _ plants: Plants) {
    self.seed = seed
    world = ClusterWorld(seed: seed, isLogged: isLogged)
    faults = FaultPlan(&world.generator)
    for number in world.nodes.indices {
      var shell = ClusterShell(number, &world)
      shell.plants = plants
      shells.append(shell)
    }
    series = (0..<30).map { _ in Hash128(high: world.generator.next(), low: world.generator.next()) }
    for number in shells.indices { shells[number].start(&world) }
    world.schedule(.check, after: Self.second)
  }

  private mutating func run() {
    while world.violations.isEmpty, let event = world.next() {
      steps += 1
      if steps > Self.stepsMax { world.violation("it does not come to an end") }
      handle(event)
      if case .done = phase { return }
    }
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
    case .client: client()
    case .fault: fault()
    case .restart(let number): if !shells[number].isUp { shells[number].start(&world) }
    case .mend(let from, let to): world.cuts.remove([from, to])
    case .epoch(let number, let epoch):
      if isPaused(number, event) { return }
      // Who is away hears of it later.
      if shells[number].isUp {
        shells[number].learn(epoch, &world)
      } else {
        world.schedule(event, after: world.time(100...500))
      }
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
    guard case .faults = phase else { return }
    world.schedule(.client, after: world.time(20...120))
    let number = Int.random(in: shells.indices, using: &world.generator)
    guard shells[number].isUp, shells[number].pausedUntil <= world.now else { return }
    if world.chance(40) { read(at: number) } else { write(at: number) }
  }

  private mutating func read(at number: Int, partial: QuorumRead.Partial? = nil) {
    let all = (0..<UInt16(world.assignment.slots.count))
    let isAll = world.chance(60)
    let slots = SlotSet(isAll ? Array(all) : all.filter { _ in world.chance(30) })
    let partial = partial ?? (world.chance(50) ? .allow : .deny)
    if !slots.isEmpty { shells[number].read(slots, partial: partial, &world) }
  }

  private mutating func write(at number: Int) {
    // Now and then a client sends again what was not acknowledged, to another node.
    if world.chance(15), let again = world.writes.filter({ !$0.value.isAcknowledged }).keys.sorted().last {
      world.count("writes sent again")
      return shells[number].begin(again, world.writes[again]?.rows ?? [], &world)
    }
    let id = WriteID(Hash128(high: world.generator.next(), low: world.generator.next()))
    let rows = (0..<Int.random(in: 1...8, using: &world.generator)).map { _ in
      let series = series[Int.random(in: self.series.indices, using: &world.generator)]
      return SimulatedRow(
        slot: world.assignment.slots.slot(of: series), series: series,
        window: Int64.random(in: 0..<5, using: &world.generator), value: world.generator.next())
    }
    world.writes[id] = ClusterWorld.ClientWrite(rows: rows)
    world.sent.formUnion(rows)
    shells[number].begin(id, rows, &world)
  }

  // MARK: - Faults

  private mutating func fault() {
    guard case .faults = phase else { return }
    world.schedule(.fault, after: world.time(1...(2 * faults.interval)))
    let number = Int.random(in: shells.indices, using: &world.generator)
    switch Int.random(in: 0..<6, using: &world.generator) {
    case 0 where faults.crashes: crash(number)
    case 1 where faults.pauses: pause(number)
    case 2 where faults.cuts: cut(number)
    case 3 where faults.lostDisks: loseDisk(number)
    case 4 where faults.damage: damage(number)
    case 5 where faults.fullDisks:
      world.count("full disks")
      shells[number].fullUntil = world.now + world.time(200...4_000)
    default: break
    }
  }

  private mutating func crash(_ number: Int) {
    guard shells[number].isUp else { return }
    shells[number].crash(&world)
    world.schedule(.restart(number), after: world.time(100...6_000))
  }

  private mutating func pause(_ number: Int) {
    guard shells[number].isUp else { return }
    world.count("pauses")
    shells[number].pausedUntil = world.now + world.time(200...4_000)
  }

  /// One way or both, to one node or to all.
  private mutating func cut(_ number: Int) {
    world.count("cuts")
    let others = shells.indices.filter { $0 != number }
    let chosen = world.chance(50) ? others : Array(others.prefix(1))
    let (isOut, isIn) =
      [(true, true), (true, false), (false, true)].randomElement(using: &world.generator) ?? (true, true)
    let duration = world.time(200...5_000)
    for other in chosen {
      for pair in [[number, other], [other, number]] where pair[0] == number ? isOut : isIn {
        world.cuts.insert(pair)
        world.schedule(.mend(from: pair[0], to: pair[1]), after: duration)
      }
    }
  }

  /// Whether every replica is ready: then one (W-1) may lose what it has, and no other before it is whole again.
  private var mayLose: Bool { shells.allSatisfy { $0.isUp && $0.readiness.unready.isEmpty } }

  private mutating func damage(_ number: Int) {
    guard mayLose, shells[number].pausedUntil <= world.now else { return }
    let slot = UInt16.random(in: 0..<UInt16(world.assignment.slots.count), using: &world.generator)
    shells[number].damage(slot, Int64.random(in: 0..<5, using: &world.generator), &world)
  }

  private mutating func loseDisk(_ number: Int) {
    guard mayLose else { return }
    shells[number].loseDisk(&world)
    world.schedule(.restart(number), after: world.time(100...2_000))
  }

  // MARK: - Checks

  private mutating func check() {
    world.schedule(.check, after: Self.second)
    switch phase {
    case .filling:
      guard isSettled else {
        if world.now > 60 * Self.second { world.violation("a new cluster does not become ready: \(unsettled)") }
        return
      }
      world.plan = faults
      phase = .faults(until: world.now + Int64.random(in: 8...15, using: &world.generator) * Self.second)
      world.schedule(.client, after: 0)
      world.schedule(.fault, after: 0)
    case .faults(let end):
      if world.now >= end { heal() }
    case .healing(let end):
      if isSettled { return finish() }
      if world.now >= end { world.violation("replicas do not converge after the faults: \(unsettled)") }
    case .done: break
    }
  }

  private mutating func heal() {
    world.note("healing")
    world.plan = .none
    world.cuts = []
    for number in shells.indices {
      shells[number].pausedUntil = min(shells[number].pausedUntil, world.now)
      shells[number].fullUntil = world.now
      if !shells[number].isUp { shells[number].start(&world) }
    }
    phase = .healing(until: world.now + 90 * Self.second)
  }

  /// Whether all nodes are there, ready, and the replicas of each slot hold the same.
  private var isSettled: Bool { unsettled.isEmpty }

  private var unsettled: String {
    for shell in shells {
      if !shell.isUp { return "\(shell.id) is down" }
      if let slot = shell.readiness.unready.first { return "\(shell.id) is not ready for \(slot)" }
      if shell.writes.count > 0 { return "\(shell.id) still holds \(shell.writes.count) writes" }
      if let gone = world.nodes.first(where: { !shell.isPresent($0) }) { return "\(shell.id) does not see \(gone)" }
    }
    for slot in 0..<UInt16(world.assignment.slots.count) {
      let held = world.assignment.replicas(of: slot).compactMap { world.node($0) }.map { shells[$0].rows[slot] ?? [] }
      if Set(held).count > 1 { return "replicas of \(slot) differ" }
    }
    return ""
  }

  /// Everything is at rest: all that was acknowledged is everywhere, and nothing else than what was sent.
  private mutating func finish() {
    phase = .done
    for slot in 0..<UInt16(world.assignment.slots.count) {
      let wanted = Set(world.acknowledged.joined().filter { $0.slot == slot })
      for node in world.assignment.replicas(of: slot).compactMap({ world.node($0) }) {
        let held = shells[node].rows[slot] ?? []
        if !wanted.isSubset(of: held) { world.violation("\(shells[node].id) lacks acknowledged rows of \(slot)") }
        if !held.isSubset(of: world.sent) { world.violation("\(shells[node].id) holds rows that nobody sent") }
      }
    }
    let bytes = shells.reduce(0) { $0 + $1.writes.bytes }
    if bytes != 0 { world.violation("\(bytes) bytes of payload are held for no write") }
  }
}
