import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// Random events for a `ReplicatedWrites`, whose every action is compared with what a `NaiveWrite` would have.
struct WriteTrial {
  private var generator: SeededGenerator
  private var machine: ReplicatedWrites
  private var now: Int64
  private let nodes: [NodeID]
  private let old: SlotAssignment
  private let next: SlotAssignment?
  private let groups: ReplicaGroups
  /// With retries a node that failed may be asked again, which the model does not foresee.
  private let retries: Bool
  private var models: [WriteID: NaiveWrite] = [:]
  /// Those that are held, in the order in which they began, and those that are not any more.
  private var held: [WriteID] = []
  private var gone: [WriteID] = []
  private var down: Set<NodeID> = []
  private var removed: Set<NodeID> = []
  private(set) var violations: [String] = []
  private(set) var outcomes: [String: Int] = [:]

  init(seed: UInt64, planted: PlantedWriteBug? = nil) {
    generator = SeededGenerator(seed: seed)
    let count = Int.random(in: 3...7, using: &generator)
    nodes = (0..<count).map { NodeID("node-\($0)") }
    let replicas = Int.random(in: 1...5, using: &generator)
    let slots = SlotMap(count: 32) ?? .standard
    let ring = HashRing(nodes.dropLast().map { RingMember($0) })
    old = SlotAssignment(ring, slots: slots, replicaCount: replicas)
    let isChanging = Bool.random(using: &generator)
    let later = HashRing(nodes.dropFirst().map { RingMember($0) })
    next =
      isChanging ? SlotAssignment(later, slots: slots, replicaCount: Int.random(in: 1...5, using: &generator)) : nil
    groups = ReplicaGroups(old, next: next, unitesOwners: planted == .ownersUnited)
    retries = Bool.random(using: &generator)
    now = Int64.random(in: -1_000_000...1_000_000, using: &generator)
    var limits = WriteLimits()
    limits.writesMax = Int.random(in: 2...12, using: &generator)
    limits.bytesMax = 1000
    limits.peerWritesMax = Int.random(in: 1...8, using: &generator)
    limits.peerBytesMax = 600
    limits.attemptTimeout = 100
    limits.attemptsMax = retries ? 3 : 1
    limits.backoff = Backoff(base: 20, cap: 100)
    limits.breaker.openFor = 150...600
    limits.breaker.window = 500
    limits.breaker.resultsMin = Int.random(in: 4...30, using: &generator)
    limits.breaker.failuresInARow = Int.random(in: 3...8, using: &generator)
    limits.breaker.probeTimeout = 120
    machine = ReplicatedWrites(limits: limits)
    machine.planted = planted
  }

  /// Runs a whole trial and returns what was wrong.
  static func run(seed: UInt64, planted: PlantedWriteBug? = nil) -> WriteTrial {
    var trial = WriteTrial(seed: seed, planted: planted)
    for _ in 0..<250 where trial.violations.isEmpty { trial.step() }
    if trial.violations.isEmpty { trial.end() }
    return trial
  }

  private mutating func step() {
    switch Int.random(in: 0..<100, using: &generator) {
    case ..<22: begin()
    case ..<50: acknowledge()
    case ..<62: fail()
    case ..<74: endHint()
    case ..<90: tick(by: Int64.random(in: 0...40, using: &generator))
    case ..<92: tick(by: Int64.random(in: 100...400, using: &generator))
    case ..<96: changeNode()
    default: stray()
    }
    checkAll()
  }

  private mutating func pick<Element>(_ list: [Element]) -> Element? { list.randomElement(using: &generator) }

  private mutating func begin() {
    let isRepetition = Int.random(in: 0..<12, using: &generator) == 0
    let id = (isRepetition ? pick(held + gone) : nil) ?? WriteID(Hash128(high: generator.next(), low: generator.next()))
    let count = Int.random(in: 1...12, using: &generator)
    let slots = (0..<count).map { _ in UInt16.random(in: 0..<32, using: &generator) }
    let owners = slots.map { slot in
      [Set(old.replicas(of: slot))] + (next.map { [Set($0.replicas(of: slot))] } ?? [])
    }
    let bytes = Int.random(in: 1...250, using: &generator)
    let deadline = now + Int64.random(in: -2...300, using: &generator)
    let level = pick(WriteLevel.allCases) ?? .quorum
    let isHeld = held.contains(id)
    let isFull = held.count >= machine.limits.writesMax || heldBytes + bytes > machine.limits.bytesMax
    do throws(WriteRefused) {
      let targets = WriteTargets(slots: slots, in: groups)
      let actions = try machine.begin(id, bytes: bytes, to: targets, level: level, now: now, deadline: deadline)
      if isHeld || isFull { violations.append("taken on although it is there or there is too much") }
      models[id] = NaiveWrite(id, bytes: bytes, deadline: deadline, level: level, owners: owners)
      gone.removeAll { $0 == id }
      held.append(id)
      apply(actions)
    } catch {
      switch error {
      case .underWay: if !isHeld { violations.append("refused as one that is not there") }
      case .tooLarge: violations.append("refused as too large")
      case .overloaded: if !isFull && !isAnyQueueFull(bytes) { violations.append("refused without a need") }
      }
    }
  }

  private var heldBytes: Int { held.reduce(0) { $0 + (models[$1]?.bytes ?? 0) } }

  private func isAnyQueueFull(_ bytes: Int) -> Bool {
    nodes.contains { node in
      let queued = machine.queued(for: node)
      return queued.writes >= machine.limits.peerWritesMax || queued.bytes + bytes > machine.limits.peerBytesMax
    }
  }

  private mutating func acknowledge() {
    guard let id = pick(held.suffix(6)), let model = models[id] else { return }
    let asked = nodes.filter { model.lastAttempt(to: $0) > 0 }
    guard let node = pick(asked) else { return }
    if !model.acknowledged.contains(node) { models[id]?.note(.acknowledged(node)) }
    apply(machine.acknowledged(id, by: node, now: now))
  }

  private mutating func fail() {
    guard let id = pick(held), let model = models[id], let (node, attempt) = pick(open(model)) else { return }
    let isStale = Int.random(in: 0..<4, using: &generator) == 0
    let failures: [ReplicaFailure] = [
      .unreachable, .timedOut, .overloaded(retryAfterMilliseconds: 0), .overloaded(retryAfterMilliseconds: .max),
      .refused,
      .unknownSeries, .notReplica,
    ]
    guard let failure = pick(failures) else { return }
    if !isStale { models[id]?.note(failure == .refused ? .refusedForGood(node) : .ended(node)) }
    let told = isStale ? attempt &- 1 : attempt
    apply(machine.failed(id, at: node, attempt: told, failure, now: now, using: &generator))
  }

  private func open(_ model: NaiveWrite) -> [(NodeID, UInt8)] {
    model.open.map { ($0.key, $0.value.attempt) }.sorted { $0.0 < $1.0 }
  }

  private mutating func endHint() {
    for id in held.suffix(8) {
      guard let model = models[id],
        let node = pick(model.hintsAsked.subtracting(model.hintsEnded).sorted())
      else { continue }
      let isStored = Int.random(in: 0..<5, using: &generator) > 0
      models[id]?.note(isStored ? .hinted(node) : .hintGivenUp(node))
      apply(isStored ? machine.hinted(id, node) : machine.hintGivenUp(id, node))
      return
    }
  }

  private mutating func tick(by time: Int64) {
    now += time
    for id in held {
      guard let model = models[id] else { continue }
      for (node, attempt) in model.open.sorted(by: { $0.key < $1.key }) where attempt.until <= now {
        models[id]?.note(.ended(node))
      }
    }
    apply(machine.tick(now: now, using: &generator))
    if let next = machine.nextTick, next <= now { violations.append("something is due after a tick") }
  }

  private mutating func changeNode() {
    guard let node = pick(nodes) else { return }
    switch Int.random(in: 0..<8, using: &generator) {
    case 0:
      removed.insert(node)
      down.insert(node)
      for id in held { models[id]?.note(.removed(node)) }
      closeAll(node)
      apply(machine.nodeRemoved(node))
    case 1...3:
      if removed.contains(node) { return }
      down.insert(node)
      closeAll(node)
      apply(machine.nodeDown(node))
    default:
      down.remove(node)
      removed.remove(node)
      machine.nodeUp(node)
    }
  }

  private mutating func closeAll(_ node: NodeID) {
    for id in held where models[id]?.open[node] != nil { models[id]?.note(.ended(node)) }
  }

  /// Events that mean nothing.
  private mutating func stray() {
    let id = pick(gone) ?? WriteID(Hash128(high: 1, low: generator.next()))
    let node = pick(nodes + [NodeID("nobody")]) ?? NodeID("nobody")
    var actions = machine.acknowledged(id, by: node, now: now)
    actions += machine.hinted(id, node) + machine.hintGivenUp(id, node)
    actions += machine.failed(id, at: node, attempt: 1, .unreachable, now: now, using: &generator)
    if !actions.isEmpty { violations.append("something is done about a write that is not there") }
  }

  private mutating func apply(_ actions: [ReplicatedWrites.Action]) {
    for action in actions {
      switch action {
      case .send(let id, let node, let attempt, _): sent(id, node, attempt)
      case .hint(let id, let node):
        check(id, "a hint") { _, model in
          model.outcomes == [.acknowledged] && !model.acknowledged.contains(node) && !model.hintsAsked.contains(node)
            && !model.refusedForGood.contains(node) && model.replicas.contains(node)
        }
        models[id]?.note(.hintAsked(node))
      case .gaveUp(let id, let node):
        check(id, "given up") { _, model in
          model.outcomes == [.acknowledged] && !model.hintsAsked.contains(node) && !model.acknowledged.contains(node)
            && !model.givenUp.contains(node) && model.replicas.contains(node)
        }
        models[id]?.note(.gaveUp(node))
      case .complete(let id, let outcome): completed(id, outcome)
      case .forget(let id):
        check(id, "forgotten") { trial, model in
          model.outcomes.count == 1
            && (model.outcomes != [.acknowledged] || model.replicas.isSubset(of: model.settled.union(trial.removed)))
        }
        models[id]?.note(.forgotten)
        held.removeAll { $0 == id }
        gone.append(id)
      }
    }
  }

  private mutating func check(_ id: WriteID, _ what: String, _ isRight: (WriteTrial, NaiveWrite) -> Bool) {
    guard let model = models[id], !model.isForgotten else {
      violations.append("\(what): the write is not there")
      return
    }
    if !isRight(self, model) { violations.append("\(what): \(model.events) of \(model.owners)") }
  }

  private mutating func sent(_ id: WriteID, _ node: NodeID, _ attempt: UInt8) {
    check(id, "sent to \(node)") { trial, model in
      model.replicas.contains(node) && !model.acknowledged.contains(node)
        && !trial.down.subtracting(trial.removed).contains(node)
        && attempt == model.lastAttempt(to: node) + 1 && model.deadline > trial.now
        && attempt <= trial.machine.limits.attemptsMax + 1 && model.open[node] == nil
    }
    let until = min(now + machine.limits.attemptTimeout, models[id]?.deadline ?? now)
    models[id]?.note(.sent(node, attempt: attempt, until: until))
  }

  private mutating func completed(_ id: WriteID, _ outcome: WriteOutcome) {
    outcomes["\(outcome)".prefix { $0 != "(" }.description, default: 0] += 1
    check(id, "\(outcome)") { trial, model in
      guard model.outcomes.isEmpty else { return false }
      let isHopeless = !model.isEnough(model.acknowledged.union(model.open.keys))
      switch outcome {
      case .acknowledged: return model.isEnough(model.acknowledged)
      case .unavailable(let seconds):
        return !model.isEnough(model.acknowledged) && (1...60).contains(seconds)
          && (isHopeless || trial.now >= model.deadline)
      case .refused:
        return !model.isEnough(model.replicas.subtracting(model.refusedForGood).union(model.acknowledged))
      }
    }
    models[id]?.note(.completed(outcome))
    for node in removed.sorted() { models[id]?.note(.removed(node)) }
  }

  private mutating func checkAll() {
    var bytes = 0
    var queues: [NodeID: Int] = [:]
    for id in held {
      guard let model = models[id] else { continue }
      bytes += model.bytes
      let open = model.open
      for node in open.keys { queues[node, default: 0] += 1 }
      guard model.outcomes.isEmpty else { continue }
      if model.isEnough(model.acknowledged) { violations.append("acknowledged by all, and not told") }
      if !retries, !model.isEnough(model.acknowledged.union(open.keys)) { violations.append("hopeless, and not told") }
    }
    if bytes != machine.bytes || held.count != machine.count { violations.append("bytes or writes are miscounted") }
    for node in nodes {
      let queued = machine.queued(for: node)
      if retries ? queued.writes < queues[node, default: 0] : queued.writes != queues[node, default: 0] {
        violations.append("\(node): \(queued) wait, and not \(queues[node, default: 0])")
      }
      if queued.writes > machine.limits.peerWritesMax { violations.append("\(node): too much waits") }
    }
  }

  /// All that is open comes to its end, then every node is asked again.
  private mutating func end() {
    // Whoever is down half of the time stays so, so that in some trials all are up in the end.
    if Bool.random(using: &generator) {
      for node in down.sorted() { machine.nodeUp(node) }
      down = []
      removed = []
    }
    for _ in 0..<6 {
      tick(by: 400)
      checkAll()
    }
    for id in held where models[id]?.outcomes.isEmpty == true { violations.append("no outcome by the deadline") }
    while violations.isEmpty, !held.isEmpty {
      let before = held.count
      for _ in 0..<8 { endHint() }
      if held.count == before, held.allSatisfy({ models[$0].map { $0.hintsAsked.isSubset(of: $0.hintsEnded) } ?? true })
      {
        violations.append("held, and nothing is awaited: \(held.compactMap { models[$0]?.events })")
      }
    }
    for node in nodes where machine.queued(for: node) != (0, 0) { violations.append("\(node): something still waits") }
    if machine.count != 0 || machine.bytes != 0 { violations.append("something is still held") }
    guard violations.isEmpty else { return }
    askAll()
  }

  /// Whatever failed before: after the longest time that a breaker is open, a write goes to all nodes that are not down.
  private mutating func askAll() {
    now += 601
    let id = WriteID(Hash128(high: 0, low: 0))
    let targets = WriteTargets(slots: 0..<32, in: groups)
    guard down.isEmpty,
      let actions = try? machine.begin(id, bytes: 1, to: targets, level: .one, now: now, deadline: now + 9)
    else { return }
    let asked = actions.compactMap { if case .send(_, let node, _, _) = $0 { node } else { nil } }
    if asked != targets.nodes { violations.append("only \(asked) of \(targets.nodes) are asked again") }
  }
}
