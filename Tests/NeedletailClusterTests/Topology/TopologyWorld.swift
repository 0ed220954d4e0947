import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry

@testable import NeedletailCluster

/// Nodes that agree on topologies in one thread, on a virtual clock, over a network that loses, doubles, delays and
/// overtakes, and disks that forget what was not synced. A run follows from its seed.
struct TopologyWorld {
  static let second: Int64 = 1_000_000_000
  static let millisecond: Int64 = 1_000_000

  enum Event {
    case deliver([UInt8], from: Int, to: Int)
    case timer(host: Int, number: Int)
    case stored(host: Int, start: Int)
  }

  let seed: UInt64
  let bug: PlantedTopologyBug?
  var random: SeededGenerator
  private(set) var time: Int64 = 0
  private var queue = EventQueue<Event>()
  var hosts: [TopologyHost] = []
  /// In thousandths.
  var loss = 0
  var duplication = 0
  var delayMean = 3 * millisecond
  var storeMean = 4 * millisecond
  /// Ordered pairs between which nothing passes.
  var cuts: Set<[Int]> = []
  var slots = 4

  /// What became wrong, in words.
  var problems: [String] = []
  /// The topologies that were learned, by cluster; each at the place of its epoch.
  var chosen: [Hash128: [Topology]] = [:]
  /// What each proposal was made of, by its digest; nil for a founding.
  var bases: [Hash128: Hash128?] = [:]
  /// Who has said under which epoch that it has all.
  var filled: Set<String> = []
  var outcomes: [String: Int] = [:]
  private(set) var trace: UInt64 = 0
  private(set) var eventCount = 0
  private var identities: UInt64 = 0
  private var ended: [TopologyCounters] = []

  init(seed: UInt64, bug: PlantedTopologyBug? = nil) {
    self.seed = seed
    self.bug = bug
    random = SeededGenerator(seed: seed)
  }

  // MARK: Hosts

  mutating func addHosts(_ count: Int) {
    for _ in 0..<count { hosts.append(TopologyHost(hosts.count, identity: newIdentity(), seed: seed)) }
  }

  private mutating func newIdentity() -> NodeIdentity {
    identities += 1
    return NodeIdentity(Hash128(high: random.next(), low: identities))
  }

  /// Starts the node's process anew, with what its disk has.
  mutating func start(_ number: Int) {
    let host = hosts[number]
    var state = TopologyState()
    if let disk = host.disk {
      do { state = try TopologyState(decoding: disk) } catch { problems.append("\(host.name) cannot read its state") }
    }
    if bug == .forgetsPromises { state = state.topology.map { TopologyState(knowing: $0) } ?? TopologyState() }
    host.start += 1
    (host.outbox, host.storing, host.proposed, host.change) = ([], nil, nil, nil)
    var register = TopologyRegister(host.name, identity: host.identity, state: state)
    register.bug = bug
    register.setPeers(host.peers.map { hosts[$0].name })
    host.register = register
    guard
      let record = try? NodeRecord(
        node: host.name, identity: host.identity, address: host.address, isEmpty: state.topology == nil)
    else { return }
    var founding = Founding(record, seeds: host.seeds)
    founding.bug = bug
    founding.setOthers(host.peers.map { hosts[$0].address })
    if let topology = state.topology {
      // What was stored before the node could tell of it.
      if topology.epoch > host.newest?.epoch ?? 0 { checkLearned(topology, by: host) }
      founding.learned(topology)
      host.change = RingChange(topology)
      host.change?.bug = bug
      host.changeSince = time
    }
    host.founding = founding
    tick(number)
  }

  mutating func crash(_ number: Int) {
    let host = hosts[number]
    if let register = host.register { ended.append(register.counters) }
    // What was being written may have come to be there.
    if let storing = host.storing, Bool.random(using: &random) { host.disk = storing }
    (host.register, host.founding, host.change, host.storing) = (nil, nil, nil, nil)
    host.outbox = []
  }

  /// Gives the node a new disk; it has to be down.
  mutating func wipe(_ number: Int) {
    hosts[number].identity = newIdentity()
    (hosts[number].disk, hosts[number].newest) = (nil, nil)
  }

  mutating func heal() {
    cuts = []
    (loss, duplication, delayMean) = (0, 0, 3 * Self.millisecond)
    for host in hosts where host.register == nil { start(host.number) }
  }

  /// Does something with a host's register, and what follows.
  mutating func act(
    _ number: Int, _ body: (inout TopologyRegister, Int64, inout SeededGenerator) -> [TopologyAction]
  ) {
    let host = hosts[number]
    guard var register = host.register else { return }
    host.register = nil
    host.outbox += body(&register, time, &host.random)
    host.register = register
    work(number)
  }

  /// Has a host propose a topology.
  mutating func propose(_ topology: Topology, by number: Int) {
    let host = hosts[number]
    guard host.proposed == nil else { return }
    bases[topology.digest] = .some(host.topology?.digest)
    act(number) { register, now, random in
      do {
        let actions = try register.propose(topology, deadline: now + 8 * Self.second, now: now, using: &random)
        host.proposed = topology
        return actions
      } catch { return [] }
    }
  }

  // MARK: Running

  mutating func run(for duration: Int64) {
    let end = time + duration
    while let next = queue.nextTime, next <= end, let (instant, event) = queue.pop() {
      time = instant
      eventCount += 1
      perform(event)
    }
    time = end
  }

  private mutating func perform(_ event: Event) {
    switch event {
    case .deliver(let bytes, let from, let to):
      guard hosts[to].register != nil, !cuts.contains([from, to]) else { return }
      note(1, to, bytes.withUnsafeBytes { xxHash64($0) })
      do { receive(try TopologyMessage(decoding: bytes), from: from, to: to) } catch {
        problems.append("a message that cannot be read: \(error)")
      }
      setTimer(to)
    case .timer(let host, let number):
      if hosts[host].timer == number, hosts[host].register != nil { tick(host) }
    case .stored(let number, let start):
      let host = hosts[number]
      guard host.start == start, let storing = host.storing else { return }
      host.disk = storing
      host.storing = nil
      host.outbox.removeFirst()
      work(number)
      setTimer(number)
    }
  }

  private mutating func receive(_ message: TopologyMessage, from: Int, to number: Int) {
    let host = hosts[number]
    switch message.purpose {
    case .agreement: act(number) { $0.receive(message, now: $1, using: &$2) }
    case .founding:
      let actions = host.founding?.receive(message, from: hosts[from].address, now: time) ?? []
      perform(actions, by: number)
    case .progressQuestion:
      guard let change = host.change, let slots = progress(number) else { return }
      transmit(change.answer(ready: slots, from: host.voter), from: number, to: from)
    case .progress: host.change?.receive(message)
    }
  }

  private mutating func tick(_ number: Int) {
    let host = hosts[number]
    act(number) { $0.tick(now: $1, using: &$2) }
    let founding = host.founding?.tick(now: time, using: &host.random) ?? []
    perform(founding, by: number)
    let present = hosts.filter { $0.register != nil }.map(\.voter)
    for action in host.change?.tick(now: time, own: host.name, present: present) ?? [] {
      switch action {
      case .propose(let topology): propose(topology, by: number)
      case .ask(host.name):
        guard let change = host.change, let slots = progress(number) else { continue }
        host.change?.progressed(host.voter, epoch: change.topology.epoch, ready: slots)
      case .ask(let node):
        guard let change = host.change, let other = hosts.first(where: { $0.name == node }) else { continue }
        transmit(change.question(from: host.voter), from: number, to: other.number)
      }
    }
    setTimer(number)
  }

  private mutating func setTimer(_ number: Int) {
    let host = hosts[number]
    guard let register = host.register else { return }
    let times = [register.nextTick, host.founding?.nextTick, host.change?.nextTick].compactMap { $0 }
    host.timer += 1
    queue.add(.timer(host: number, number: host.timer), at: max(time, times.min() ?? .max))
  }

  /// The slots that a node is to have all of, once it had time to fill them.
  private mutating func progress(_ number: Int) -> SlotSet? {
    let host = hosts[number]
    guard let change = host.change else { return nil }
    if change.stage == .filling {
      guard time - host.changeSince > 2 * Self.second else { return nil }
      filled.insert("\(host.voter) \(change.topology.epoch)")
    }
    return change.done(by: host.name) { _ in [] }
  }

  // MARK: Performing

  /// Does what a host has to do, up to a store that is under way.
  private mutating func work(_ number: Int) {
    let host = hosts[number]
    while host.storing == nil, let action = host.outbox.first {
      if case .store(let state) = action {
        host.storing = state.encoded
        queue.add(.stored(host: number, start: host.start), at: time + exponential(storeMean))
        return
      }
      host.outbox.removeFirst()
      perform(action, by: number)
    }
  }

  private mutating func perform(_ action: TopologyAction, by number: Int) {
    let host = hosts[number]
    switch action {
    case .store: break
    case .send(let message, let node):
      if let other = hosts.first(where: { $0.name == node }) { transmit(message, from: number, to: other.number) }
    case .learned(let topology):
      note(2, number, topology.digest.low)
      checkLearned(topology, by: host)
      host.founding?.learned(topology)
      host.change = RingChange(topology)
      host.change?.bug = bug
      host.changeSince = time
    case .proposalEnded(let outcome):
      checkEnded(outcome, of: host)
      host.proposed = nil
    case .foreign: outcomes["foreign", default: 0] += 1
    case .unlike: problems.append("somebody decides elsewhere")
    }
  }

  private mutating func perform(_ actions: [Founding.Action], by number: Int) {
    for action in actions {
      switch action {
      case .send(let message, let address):
        if let other = hosts.first(where: { $0.address == address }) {
          transmit(message, from: number, to: other.number)
        }
      case .waits: outcomes["founding waits", default: 0] += 1
      case .founds(let members, let leads):
        act(number) { register, _, _ in register.setFounders(members.map { TopologyVoter($0.node, $0.identity) }) }
        let cluster = Hash128(high: hosts[number].random.next(), low: hosts[number].random.next())
        guard leads, hosts[number].topology == nil,
          let topology = try? Topology.founding(
            clusterID: cluster, slotCount: slots, replicaCount: 3, writeQuorum: 2, members: members)
        else { continue }
        propose(topology, by: number)
      }
    }
  }

  private mutating func transmit(_ message: TopologyMessage, from: Int, to: Int) {
    let bytes = message.encoded
    guard Int(random.next() % 1000) >= loss else { return }
    for _ in 0..<(Int(random.next() % 1000) < duplication ? 2 : 1) {
      queue.add(.deliver(bytes, from: from, to: to), at: time + Self.millisecond / 2 + exponential(delayMean))
    }
  }

  private mutating func exponential(_ mean: Int64) -> Int64 {
    var value = Int64(random.next() % UInt64(max(1, mean)))
    while random.next() & 1 == 0 { value += mean / 2 }
    return value
  }

  private mutating func note(_ kind: UInt64, _ host: Int, _ value: UInt64) {
    for word in [UInt64(bitPattern: time), kind, UInt64(host), value] {
      trace = (trace ^ word) &* 0x9E37_79B9_7F4A_7C15
      trace ^= trace >> 29
    }
  }

  /// How often something happened on any node.
  func count(_ event: TopologyCounters.Event) -> UInt64 {
    (ended + hosts.compactMap { $0.register?.counters }).reduce(0) { $0 + $1[event] }
  }
}
