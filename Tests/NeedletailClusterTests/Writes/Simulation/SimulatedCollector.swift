import NeedletailTelemetry

@testable import NeedletailCluster

/// The shell around `ReplicatedWrites` and the queues of hints, as the node's will be: payloads, the log of hints, messages.
struct SimulatedCollector {
  private struct LoggedHint {
    let write: WriteID
    let slots: [UInt16]
    let time: Int64
    var isStored = false
  }

  static let hintBytes = 100

  let number: Int
  private(set) var life = 0
  private let groups: ReplicaGroups
  private let planted: PlantedWriteBug?
  private let limits: WriteLimits
  private let hintLimits: HintLimits
  private(set) var machine: ReplicatedWrites
  private(set) var queues: [HintQueue]
  /// What is held of writes under way: nothing may be sent or hinted of one that was forgotten.
  private var payloads: Set<WriteID> = []
  /// The log of hints of each node, by number.
  private var logs: [[UInt64: LoggedHint]]
  private var lastStored: [UInt64]
  /// The attempt that is under way for a hint, by its write.
  private var deliveries: [[WriteID: (sequence: UInt64, attempt: UInt32)]]
  private var tickAt = Int64.max

  init(number: Int, world: inout WriteWorld, planted: PlantedWriteBug?) {
    self.number = number
    self.planted = planted
    groups = ReplicaGroups(world.old, next: world.new, unitesOwners: planted == .ownersUnited)
    var limits = WriteLimits()
    limits.attemptTimeout = world.time(60...300)
    limits.attemptsMax = UInt8.random(in: 1...4, using: &world.generator)
    limits.writesMax = Int.random(in: 4...40, using: &world.generator)
    limits.peerWritesMax = Int.random(in: 2...20, using: &world.generator)
    limits.breaker.openFor = 500_000_000...4_000_000_000
    limits.breaker.failuresInARow = Int.random(in: 2...6, using: &world.generator)
    limits.breaker.probeTimeout = 300_000_000
    self.limits = limits
    var hintLimits = HintLimits()
    hintLimits.window = Int.random(in: 1...8, using: &world.generator)
    hintLimits.timeout = world.time(100...400)
    hintLimits.backoff = Backoff(base: 50_000_000, cap: 1_000_000_000)
    hintLimits.bytesPerSecond = 100 * Int.random(in: 20...200, using: &world.generator)
    hintLimits.burst = 500
    if world.chance(30) { hintLimits.countMax = Int.random(in: 2...20, using: &world.generator) }
    if world.chance(30) { hintLimits.ageMax = world.time(500...5000) }
    self.hintLimits = hintLimits
    machine = ReplicatedWrites(limits: limits)
    machine.planted = planted
    logs = [[UInt64: LoggedHint]](repeating: [:], count: world.nodes.count)
    lastStored = [UInt64](repeating: 0, count: world.nodes.count)
    deliveries = []
    queues = []
    restart(&world)
  }

  mutating func crash(_ world: inout WriteWorld) {
    life += 1
    for id in payloads.sorted() {
      guard let write = world.writes[id] else { continue }
      if write.begins > write.outcomes + write.lost { world.writes[id]?.lost += 1 }
      world.writes[id]?.isOrphan = true
    }
    payloads = []
    for node in logs.indices { logs[node] = logs[node].filter { $0.value.isStored } }
  }

  /// Begins with what is on disk.
  mutating func restart(_ world: inout WriteWorld) {
    machine = ReplicatedWrites(limits: limits)
    machine.planted = planted
    deliveries = Array(repeating: [:], count: world.nodes.count)
    tickAt = .max
    queues = world.nodes.indices.map { node in
      let stored = logs[node].sorted { $0.key < $1.key }.map {
        HintQueue.Stored(
          sequence: $0.key, bytes: Self.hintBytes, time: $0.value.time, slots: HintedSlots($0.value.slots))
      }
      var queue = HintQueue(for: world.nodes[node], limits: hintLimits, stored: stored, next: lastStored[node] + 1)
      queue.planted = planted
      return queue
    }
    scheduleTick(&world)
  }

  mutating func begin(_ id: WriteID, _ world: inout WriteWorld) {
    guard let write = world.writes[id] else { return }
    let deadline = world.now + world.time(200...1500)
    let targets = WriteTargets(slots: write.slots, in: groups)
    do throws(WriteRefused) {
      payloads.insert(id)
      let actions = try machine.begin(
        id, bytes: 1000, to: targets, level: write.level, now: world.now, deadline: deadline)
      world.writes[id]?.begins += 1
      world.writes[id]?.deadline = deadline
      perform(actions, &world)
    } catch {
      payloads.remove(id)
      world.note("not taken on")
    }
    scheduleTick(&world)
  }

  mutating func tick(life: Int, _ world: inout WriteWorld) {
    guard life == self.life, world.now >= tickAt else { return }
    tickAt = .max
    perform(machine.tick(now: world.now, using: &world.generator), &world)
    for node in queues.indices {
      perform(queues[node].tick(now: world.now, using: &world.generator), node, &world)
    }
    scheduleTick(&world)
  }

  private mutating func scheduleTick(_ world: inout WriteWorld) {
    var next = machine.nextTick ?? .max
    for queue in queues { next = min(next, queue.nextTick ?? .max) }
    guard next < tickAt else { return }
    tickAt = max(next, world.now)
    world.schedule(after: tickAt - world.now, .tick(collector: number, life: life))
  }

  mutating func membership(_ node: Int, isUp: Bool, _ world: inout WriteWorld) {
    if isUp {
      machine.nodeUp(world.nodes[node])
      perform(queues[node].nodeUp(now: world.now), node, &world)
    } else {
      queues[node].nodeDown()
      perform(machine.nodeDown(world.nodes[node]), &world)
    }
    scheduleTick(&world)
  }

  /// The answer of a node, or the word that there is no way to it.
  mutating func receive(_ message: WriteMessage, from node: Int, isUnreachable: Bool = false, _ world: inout WriteWorld)
  {
    switch message {
    case .acknowledge(let id, let attempt):
      if attempt > 0 {
        perform(machine.acknowledged(id, by: world.nodes[node], now: world.now), &world)
      } else if let delivery = deliveries[node][id] {
        perform(queues[node].acknowledged(delivery.sequence, now: world.now), node, &world)
      }
    case .refuse(let id, let attempt, let refusal): failed(id, node, attempt, refusal.failure, &world)
    case .append(let append): failed(append.write, node, append.attempt, .unreachable, &world)
    }
    scheduleTick(&world)
  }

  private mutating func failed(
    _ id: WriteID, _ node: Int, _ attempt: UInt8, _ failure: ReplicaFailure, _ world: inout WriteWorld
  ) {
    if attempt > 0 {
      let actions = machine.failed(
        id, at: world.nodes[node], attempt: attempt, failure, now: world.now, using: &world.generator)
      perform(actions, &world)
    } else if let delivery = deliveries[node][id] {
      let actions = queues[node].failed(
        delivery.sequence, attempt: delivery.attempt, failure, now: world.now, using: &world.generator)
      perform(actions, node, &world)
    }
  }

  mutating func hintSynced(_ node: Int, _ sequence: UInt64, life: Int, _ world: inout WriteWorld) {
    guard life == self.life else { return }
    if world.chance(world.faults.diskErrorPercent) {
      world.note("hint not stored")
      logs[node][sequence] = nil
      perform(queues[node].storeFailed(sequence, now: world.now), node, &world)
    } else {
      logs[node][sequence]?.isStored = true
      lastStored[node] = max(lastStored[node], sequence)
      perform(queues[node].stored(sequence, now: world.now), node, &world)
    }
    scheduleTick(&world)
  }

  private mutating func perform(_ actions: [ReplicatedWrites.Action], _ world: inout WriteWorld) {
    for action in actions {
      world.write("collector-\(number) \(action)")
      switch action {
      case .send(let id, let name, let attempt, let withDefinitions):
        guard let node = world.nodes.firstIndex(of: name), holds(id, "sent", &world) else { continue }
        send(id, slots(of: id, node, world), to: node, attempt: attempt, definitions: withDefinitions, &world)
      case .hint(let id, let name):
        guard let node = world.nodes.firstIndex(of: name), holds(id, "hinted", &world) else { continue }
        world.note("hint")
        let slots = slots(of: id, node, world)
        let hint = queues[node].append(id, bytes: Self.hintBytes, slots: HintedSlots(slots), now: world.now)
        perform(hint, node, &world)
      case .gaveUp(let id, let name):
        guard let node = world.nodes.firstIndex(of: name) else { continue }
        world.note("given up: refused")
        world.repairs[node].formUnion(slots(of: id, node, world))
      case .complete(let id, let outcome): complete(id, outcome, &world)
      case .forget(let id): if holds(id, "forgotten", &world) { payloads.remove(id) }
      }
    }
  }

  private func holds(_ id: WriteID, _ what: String, _ world: inout WriteWorld) -> Bool {
    if payloads.contains(id) { return true }
    world.violations.append("\(what), and the payload is gone")
    return false
  }

  /// The slots of a write that a node holds.
  private func slots(of id: WriteID, _ node: Int, _ world: WriteWorld) -> [UInt16] {
    let slots = world.writes[id]?.slots ?? []
    return slots.filter { slot in world.owners(of: slot).contains { $0.contains(world.nodes[node]) } }
  }

  private func send(
    _ id: WriteID, _ slots: [UInt16], to node: Int, attempt: UInt8, definitions: Bool, _ world: inout WriteWorld
  ) {
    let frames =
      (definitions ? [world.frame(id, node, definitions: true)] : []) + [world.frame(id, node, definitions: false)]
    guard let append = WriteAppend(id, attempt: attempt, epoch: 1, slots: slots, frames: frames) else {
      world.violations.append("a node is sent a write of which it holds nothing")
      return
    }
    let bytes = WriteMessage.append(append).encoded
    let isHopeless = world.down.contains(node) || world.cut.contains([number, node])
    if isHopeless, world.chance(40) {
      world.schedule(after: world.time(1...20), .unreachable(collector: number, node: node, bytes))
    } else {
      world.send(bytes, from: number, to: node)
    }
  }

  private func complete(_ id: WriteID, _ outcome: WriteOutcome, _ world: inout WriteWorld) {
    guard let write = world.writes[id] else { return }
    world.note("\(outcome)".prefix { $0 != "(" }.description)
    world.writes[id]?.outcomes += 1
    if write.outcomes + write.lost >= write.begins { world.violations.append("an outcome is told twice") }
    if world.now > write.deadline { world.violations.append("an outcome comes after the deadline") }
    switch outcome {
    case .acknowledged:
      world.writes[id]?.isAcknowledged = true
      world.acknowledged.append(id)
    case .unavailable(let seconds):
      // A client that does as it is told.
      if write.begins < 3 {
        world.schedule(after: Int64(seconds) * 1_000_000_000, .begin(collector: number, id))
      }
    case .refused: break
    }
  }

  private mutating func perform(_ actions: [HintQueue.Action], _ node: Int, _ world: inout WriteWorld) {
    for action in actions {
      world.write("collector-\(number) for \(node) \(action)")
      switch action {
      case .store(let sequence, let id):
        if !holds(id, "stored", &world) { continue }
        logs[node][sequence] = LoggedHint(write: id, slots: slots(of: id, node, world), time: world.now)
        let delay = world.time(1...40)
        world.schedule(
          after: delay, .hintSynced(collector: number, life: life, node: node, sequence: sequence))
      case .hinted(let id): perform(machine.hinted(id, world.nodes[node]), &world)
      case .hintGivenUp(let id): perform(machine.hintGivenUp(id, world.nodes[node]), &world)
      case .deliver(let sequence, let attempt):
        guard let hint = logs[node][sequence], hint.isStored else {
          world.violations.append("a hint is sent that is not durable, or was released")
          continue
        }
        world.note("hint sent")
        deliveries[node][hint.write] = (sequence, attempt)
        send(hint.write, hint.slots, to: node, attempt: 0, definitions: true, &world)
      case .release(let last): logs[node] = logs[node].filter { $0.key > last }
      case .gaveUp(let slots, let count):
        world.counts["given up: hints", default: 0] += count
        world.repairs[node].formUnion(slots.slots)
      }
    }
  }

  /// What is still held when all is over.
  var leftovers: [String] {
    var left: [String] = []
    if machine.count != 0 || machine.bytes != 0 {
      left.append("collector-\(number) still holds \(machine.count) writes")
    }
    if !payloads.isEmpty { left.append("collector-\(number) still has payloads") }
    for queue in queues {
      if queue.count != 0 || queue.bytes != 0 { left.append("\(queue.count) hints for \(queue.node) are left") }
      if machine.queued(for: queue.node) != (0, 0) { left.append("something waits for \(queue.node)") }
    }
    if logs.contains(where: { !$0.isEmpty }) { left.append("a log of hints was not released") }
    return left
  }
}
