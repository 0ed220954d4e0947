import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// Collectors that write to replicas over a bad network, with crashes on both sides, and what must hold whatever happens.
struct WriteSimulation {
  private(set) var world: WriteWorld
  private var replicas: [SimulatedReplica]
  private var collectors: [SimulatedCollector]
  private(set) var steps = 0
  /// No run comes near it, unless something goes on for ever.
  private static let stepsMax = 200_000
  private static let faultySeconds: Int64 = 12

  /// Runs a whole simulation. The same seed gives the same log.
  static func run(seed: UInt64, planted: PlantedWriteBug? = nil, isLogged: Bool = false) -> WriteSimulation {
    var simulation = WriteSimulation(seed: seed, planted: planted, isLogged: isLogged)
    while simulation.world.violations.isEmpty, let event = simulation.world.next() {
      simulation.steps += 1
      if simulation.steps > stepsMax { simulation.world.violations.append("it does not come to an end") }
      simulation.handle(event)
      simulation.checkAcknowledged()
    }
    if simulation.world.violations.isEmpty { simulation.checkEnd() }
    return simulation
  }

  private init(seed: UInt64, planted: PlantedWriteBug?, isLogged: Bool) {
    var world = WriteWorld(seed: seed, isLogged: isLogged)
    replicas = world.nodes.indices.map { SimulatedReplica(number: $0) }
    collectors = (0..<world.collectors).map { number in
      SimulatedCollector(number: world.nodes.count + number, world: &world, planted: planted)
    }
    self.world = world
    plan()
  }

  /// What goes wrong, and when; a run has some kinds of faults and not others.
  private mutating func plan() {
    if world.chance(60) { world.faults.lossPercent = Int.random(in: 1...30, using: &world.generator) }
    if world.chance(60) { world.faults.duplicatePercent = Int.random(in: 1...50, using: &world.generator) }
    world.faults.delayMax = world.time(world.chance(30) ? 50...400 : 1...40)
    if world.chance(40) { world.faults.overloadPercent = Int.random(in: 1...20, using: &world.generator) }
    if world.chance(40) { world.faults.diskErrorPercent = 30 }
    let end = Self.faultySeconds * 1000
    for _ in 0..<Int.random(in: 30...80, using: &world.generator) { planWrite(end) }
    if world.chance(80) {
      for _ in 0..<Int.random(in: 1...10, using: &world.generator) { planCrash(of: world.nodes.indices, end) }
    }
    if world.chance(50) {
      let all = world.nodes.count..<world.nodes.count + world.collectors
      for _ in 0..<Int.random(in: 1...3, using: &world.generator) { planCrash(of: all, end) }
    }
    if world.chance(40) {
      for _ in 0..<Int.random(in: 1...8, using: &world.generator) { planCut(end) }
    }
    world.schedule(after: (end + 1) * 1_000_000, .heal)
  }

  private mutating func planWrite(_ end: Int64) {
    let count = Int.random(in: 1...20, using: &world.generator)
    let slots = Set((0..<count).map { _ in UInt16.random(in: 0..<48, using: &world.generator) }).sorted()
    let id = WriteID(Hash128(high: UInt64(world.writeIDs.count), low: world.generator.next()))
    let level =
      world.chance(70) ? WriteLevel.quorum : WriteLevel.allCases[Int.random(in: 0..<3, using: &world.generator)]
    world.writes[id] = WriteWorld.Write(id: id, slots: slots, level: level)
    world.writeIDs.append(id)
    let collector = world.nodes.count + Int.random(in: 0..<world.collectors, using: &world.generator)
    let time = world.time(0...end)
    world.schedule(after: time, .begin(collector: collector, id))
  }

  private mutating func planCrash(of numbers: Range<Int>, _ end: Int64) {
    let number = Int.random(in: numbers, using: &world.generator)
    let time = world.time(0...end)
    world.schedule(after: time, .crash(number))
    let pause = world.time(world.chance(50) ? 10...500 : 500...8000)
    world.schedule(after: time + pause, .restart(number))
  }

  private mutating func planCut(_ end: Int64) {
    let ends = world.nodes.count + world.collectors
    let from = Int.random(in: 0..<ends, using: &world.generator)
    let to = Int.random(in: 0..<ends, using: &world.generator)
    let time = world.time(0...end)
    let pause = world.time(100...5000)
    let isSymmetric = world.chance(50)
    for way in isSymmetric ? [[from, to], [to, from]] : [[from, to]] {
      world.schedule(after: time, .setCut(from: way[0], to: way[1], true))
      world.schedule(after: time + pause, .setCut(from: way[0], to: way[1], false))
    }
  }

  private mutating func handle(_ event: WriteWorld.Event) {
    switch event {
    case .arrive(let from, let to, let bytes): arrive(bytes, from: from, to: to)
    case .unreachable(let number, let node, let bytes):
      if world.down.contains(number) { return }
      guard let message = try? WriteMessage(decoding: bytes) else { return }
      collectors[number - replicas.count].receive(message, from: node, &world)
    case .synced(let node, let life): replicas[node].synced(life: life, &world)
    case .hintSynced(let number, let life, let node, let sequence):
      collectors[number - replicas.count].hintSynced(node, sequence, life: life, &world)
    case .begin(let number, let id):
      if world.down.contains(number) { return }
      collectors[number - replicas.count].begin(id, &world)
    case .tick(let number, let life):
      if world.down.contains(number) { return }
      collectors[number - replicas.count].tick(life: life, &world)
    case .crash(let number): crash(number)
    case .restart(let number): restart(number)
    case .membership(let number, let node, let isUp):
      if world.down.contains(number) { return }
      collectors[number - replicas.count].membership(node, isUp: isUp, &world)
    case .setCut(let from, let to, let isCut):
      if isCut, !world.isHealed { world.cut.insert([from, to]) } else { world.cut.remove([from, to]) }
    case .heal: heal()
    }
  }

  private mutating func arrive(_ bytes: [UInt8], from: Int, to: Int) {
    if world.down.contains(to) { return }
    world.write("\(from) -> \(to): \(bytes.count) bytes of type \(bytes[2])")
    if to < replicas.count {
      replicas[to].receive(bytes, from: from, &world)
    } else if let message = try? WriteMessage(decoding: bytes) {
      collectors[to - replicas.count].receive(message, from: from, &world)
    } else {
      world.violations.append("a collector cannot read a message")
    }
  }

  private mutating func crash(_ number: Int) {
    guard !world.isHealed, world.down.insert(number).inserted else { return }
    world.write("crash of \(number)")
    if number < replicas.count {
      world.note("replica crashed")
      replicas[number].crash(&world)
      tell(number, isUp: false)
    } else {
      world.note("collector crashed")
      collectors[number - replicas.count].crash(&world)
    }
  }

  private mutating func restart(_ number: Int) {
    guard world.down.remove(number) != nil else { return }
    world.write("restart of \(number)")
    if number < replicas.count {
      tell(number, isUp: true)
    } else {
      collectors[number - replicas.count].restart(&world)
    }
  }

  /// Collectors hear of it later, or not at all where it was short.
  private mutating func tell(_ node: Int, isUp: Bool) {
    for index in collectors.indices where world.chance(80) {
      let delay = world.time(10...1500)
      world.schedule(after: delay, .membership(collector: collectors[index].number, node: node, isUp: isUp))
    }
  }

  private mutating func heal() {
    world.isHealed = true
    world.faults = WriteWorld.Faults()
    world.cut = []
    for number in world.down.sorted() { restart(number) }
    // What was said of nodes before comes first.
    for collector in collectors {
      for node in replicas.indices {
        world.schedule(
          after: 2_000_000_000, .membership(collector: collector.number, node: node, isUp: true))
      }
    }
  }

  /// What is acknowledged is on the disks of W replicas of each of its slots at that instant.
  private mutating func checkAcknowledged() {
    for id in world.acknowledged {
      guard let write = world.writes[id] else { continue }
      for slot in write.slots {
        for owners in world.owners(of: slot) {
          let have = owners.count { owner in
            world.nodes.firstIndex(of: owner).map { replicas[$0].disk.contains(id) } ?? false
          }
          let wanted = write.level == .one ? 1 : write.level == .all ? owners.count : owners.count / 2 + 1
          if have < wanted { world.violations.append("acknowledged, and on \(have) of \(wanted) disks: \(write)") }
        }
      }
    }
    world.acknowledged = []
  }

  private mutating func checkEnd() {
    for id in world.writeIDs {
      guard let write = world.writes[id] else { continue }
      if write.begins != write.outcomes + write.lost { world.violations.append("without an outcome: \(write)") }
      if write.isAcknowledged, !write.isOrphan { checkEverywhere(write) }
    }
    for collector in collectors {
      world.violations += collector.leftovers
      world.counts["late", default: 0] += collector.machine.counters.late
    }
  }

  /// Whatever was acknowledged is in the end with every owner, or the owner is known to lack it.
  private mutating func checkEverywhere(_ write: WriteWorld.Write) {
    for slot in write.slots {
      for owner in world.owners(of: slot).flatMap({ $0 }) {
        guard let node = world.nodes.firstIndex(of: owner), !replicas[node].disk.contains(write.id) else { continue }
        if !world.repairs[node].contains(slot) { world.violations.append("\(owner) lacks \(write), and nobody knows") }
      }
    }
  }
}
