import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry

@testable import NeedletailCluster

/// Nodes that have an etcd decide, in one thread on a virtual clock: requests and answers come late or not at all, nodes and
/// etcd stop and come back. A run follows from its seed.
struct EtcdWorld {
  static let second: Int64 = 1_000_000_000
  static let millisecond: Int64 = 1_000_000

  enum Event {
    /// At etcd.
    case request(EtcdRequest, id: UInt64, host: Int, start: Int)
    case answer(UInt64, Result<EtcdAnswer, EtcdFailure>, host: Int, start: Int)
    case peer([UInt8], to: Int)
    case tick(host: Int, timer: Int)
    case propose(host: Int)
    case crash(host: Int)
    case start(host: Int)
    case fault(Fault)
  }

  enum Fault {
    case away, back, garbage, leases
  }

  final class Host {
    let record: NodeRecord
    /// Counts the starts, and the timers that were set: only the newest of each counts.
    var start = 0
    var timer = 0
    var isUp = false
    /// The state that is on its disk.
    var disk: [UInt8]?
    var register: TopologyRegister
    var session: EtcdSession
    var founding: EtcdFounding
    var proposed: Topology?

    init(_ record: NodeRecord) {
      self.record = record
      register = TopologyRegister(record.node, identity: record.identity, state: .init(), decider: .etcd)
      session = EtcdSession(record, knowing: nil)
      founding = EtcdFounding(record, replicas: 3)
    }
  }

  let seed: UInt64
  var random: SeededGenerator
  var etcd = ModelEtcd()
  var hosts: [Host] = []
  private(set) var time: Int64 = 0
  private var queue = EventQueue<Event>()
  private var isAway = false
  /// In thousandths: how many requests do not reach etcd, how many answers do not come back, how many messages are lost.
  private var loss = 0
  private var garbage: Set<String> = []
  private(set) var problems: [String] = []
  private(set) var chosen: [UInt64: Topology] = [:]
  private(set) var seen: [String: Int] = [:]
  private var bases: [Hash128: Hash128?] = [:]

  init(seed: UInt64, bug: ModelEtcd.Bug? = nil, count: Int) throws {
    self.seed = seed
    random = SeededGenerator(seed: seed)
    etcd.bug = bug
    for number in 0..<count {
      hosts.append(
        Host(
          try NodeRecord(
            node: NodeID("n\(number)"), identity: NodeIdentity(Hash128(high: 0, low: UInt64(number + 1))),
            address: PeerAddress("10.0.0.\(number + 1):7071"), isEmpty: true)))
    }
  }

  // MARK: Running

  /// Founds a cluster, has nodes propose under faults for a while, and then heals everything.
  static func play(_ seed: UInt64, bug: ModelEtcd.Bug? = nil) throws -> EtcdWorld {
    var world = try EtcdWorld(seed: seed, bug: bug, count: 3 + Int(seed % 3))
    for number in world.hosts.indices {
      world.queue.add(.start(host: number), at: Int64.random(in: 0...2 * second, using: &world.random))
    }
    world.loss = [0, 20, 150][Int(seed / 3 % 3)]
    world.run(until: 20 * second)
    world.plan(until: 90 * second)
    world.run(until: 90 * second)
    world.heal()
    world.run(until: 170 * second)
    world.checkEnd()
    return world
  }

  private mutating func plan(until end: Int64) {
    for _ in 0..<60 {
      let at = Int64.random(in: time...end, using: &random)
      queue.add(.propose(host: Int.random(in: hosts.indices, using: &random)), at: at)
      // Another one at the same moment.
      if Bool.random(using: &random) {
        queue.add(.propose(host: Int.random(in: hosts.indices, using: &random)), at: at)
      }
    }
    for _ in 0..<6 {
      let (at, host) = (Int64.random(in: time...end, using: &random), Int.random(in: hosts.indices, using: &random))
      queue.add(.crash(host: host), at: at)
      queue.add(.start(host: host), at: at + Int64.random(in: 0...40 * Self.second, using: &random))
    }
    for _ in 0..<3 {
      let at = Int64.random(in: time...end, using: &random)
      queue.add(.fault(.away), at: at)
      queue.add(.fault(.back), at: at + Int64.random(in: 0...20 * Self.second, using: &random))
      queue.add(.fault(.garbage), at: Int64.random(in: time...end, using: &random))
    }
    queue.add(.fault(.leases), at: Int64.random(in: time...end, using: &random))
  }

  private mutating func run(until end: Int64) {
    while let next = queue.nextTime, next <= end, let (at, event) = queue.pop() {
      time = max(time, at)
      handle(event)
    }
    time = max(time, end)
  }

  private mutating func heal() {
    (isAway, loss) = (false, 0)
    for key in garbage { etcd.delete(key) }
    for host in hosts.indices where !hosts[host].isUp { queue.add(.start(host: host), at: time) }
  }

  private mutating func handle(_ event: Event) {
    switch event {
    case .request(let request, let id, let host, let start):
      guard !isAway else { return answer(.failure(.unreachable("connection refused")), id, host, start) }
      let result = etcd.perform(request, now: time)
      guard !isLost else {
        count("answer lost")
        return answer(.failure(.unreachable("no answer")), id, host, start, late: true)
      }
      answer(result, id, host, start)
    case .answer(let id, let result, let number, let start):
      guard hosts[number].isUp, hosts[number].start == start else { return }
      perform(hosts[number].session.answered(id, result, now: time, using: &random), by: number)
      wake(number)
    case .peer(let bytes, let number):
      guard hosts[number].isUp, let message = try? TopologyMessage(decoding: bytes) else { return }
      perform(hosts[number].register.receive(message, now: time, using: &random), by: number)
      wake(number)
    case .tick(let number, let timer):
      guard hosts[number].isUp, hosts[number].timer == timer else { return }
      tick(number)
      wake(number)
    case .propose(let host): propose(by: host)
    case .crash(let host): hosts[host].isUp = false
    case .start(let host): start(host)
    case .fault(let fault): begin(fault)
    }
  }

  private mutating func begin(_ fault: Fault) {
    switch fault {
    case .away: isAway = true
    case .back: isAway = false
    case .leases: etcd.endLeases()
    case .garbage:
      let next = (chosen.keys.max() ?? 0) + UInt64.random(in: 1...3, using: &random)
      let key = Bool.random(using: &random) ? EtcdDecision.key(next) : "zz"
      guard etcd.decisions[key] == nil else { return }
      garbage.insert(key)
      etcd.put([1, 2, 3], at: key)
    }
  }

  private var isLost: Bool { mutating get { Int.random(in: 0..<1000, using: &random) < loss } }

  private var delay: Int64 { mutating get { Int64.random(in: 1...40, using: &random) * Self.millisecond } }

  private mutating func answer(
    _ result: Result<EtcdAnswer, EtcdFailure>, _ id: UInt64, _ host: Int, _ start: Int, late: Bool = false
  ) {
    // A shell gives up after some seconds; now and then it does not even say so.
    if late, Int.random(in: 0..<4, using: &random) == 0 { return }
    queue.add(.answer(id, result, host: host, start: start), at: time + (late ? 3 * Self.second : delay))
  }

  mutating func count(_ what: String) { seen[what, default: 0] += 1 }

  // MARK: Hosts

  private mutating func start(_ number: Int) {
    let host = hosts[number]
    guard !host.isUp else { return }
    host.start += 1
    host.isUp = true
    host.proposed = nil
    let state = host.disk.flatMap { try? TopologyState(decoding: $0) } ?? TopologyState()
    host.register = TopologyRegister(
      host.record.node, identity: host.record.identity, state: state, decider: .etcd)
    host.register.setPeers(hosts.map(\.record.node).filter { $0 != host.record.node })
    host.session = EtcdSession(host.record, knowing: state.topology)
    host.founding = EtcdFounding(host.record, replicas: 3)
    wake(number)
  }

  private mutating func wake(_ number: Int) {
    let host = hosts[number]
    var next = min(host.session.nextTick, host.register.nextTick)
    if host.session.isVacant { next = min(next, time + Self.second) }
    host.timer += 1
    queue.add(.tick(host: number, timer: host.timer), at: max(next, time + Self.millisecond))
  }

  private mutating func tick(_ number: Int) {
    let host = hosts[number]
    let others = hosts.filter { $0.isUp && $0 !== host }
    perform(host.session.tick(now: time, isAlone: others.isEmpty, using: &random), by: number)
    perform(host.register.tick(now: time, using: &random), by: number)
    guard host.session.isVacant, host.proposed == nil else { return }
    let present = Set(others.map { TopologyVoter($0.record.node, $0.record.identity) })
    guard case .founds(let members, true) = host.founding.judge(host.session.members, present: present, now: time)
    else { return }
    let id = Hash128(high: random.next(), low: random.next())
    guard
      let topology = try? Topology.founding(
        clusterID: id, slotCount: 4, replicaCount: 3, writeQuorum: 2, members: members, decider: .etcd)
    else { return }
    propose(topology, by: number)
  }

  private mutating func propose(by number: Int) {
    let host = hosts[number]
    guard host.isUp, host.proposed == nil, let topology = host.register.topology,
      let member = topology.members.randomElement(using: &random), let next = try? topology.damaged(member.node)
    else { return }
    propose(next, by: number)
  }

  private mutating func propose(_ topology: Topology, by number: Int) {
    let host = hosts[number]
    do throws(EtcdProposalError) {
      let actions = try host.session.propose(topology, deadline: time + 10 * Self.second, now: time)
      host.proposed = topology
      bases[topology.digest] = .some(host.register.topology?.digest)
      perform(actions, by: number)
    } catch {
      count("\(error)".prefix { $0 != "(" }.description)
    }
    wake(number)
  }

  // MARK: Actions

  private mutating func perform(_ actions: [EtcdSession.Action], by number: Int) {
    let host = hosts[number]
    for action in actions {
      switch action {
      case .send(let request, let id):
        guard !isLost else {
          answer(.failure(.unreachable("no answer")), id, number, host.start, late: true)
          continue
        }
        queue.add(.request(request, id: id, host: number, start: host.start), at: time + delay)
      case .members, .changed: break
      case .unreadable: count("unreadable")
      case .decided(let topology, let isOwn):
        perform(host.register.decided(topology, byThisNode: isOwn, now: time, using: &random), by: number)
      case .proposalEnded(let outcome): ended(outcome, host)
      }
    }
  }

  private mutating func ended(_ outcome: EtcdOutcome, _ host: Host) {
    guard let proposed = host.proposed else { return problems.append("the end of nothing") }
    host.proposed = nil
    switch outcome {
    case .chosen:
      count("chosen")
      if etcd.bug == nil, chosen[proposed.epoch] != proposed { problems.append("\(proposed.epoch) was not chosen") }
    case .overtaken(let other):
      count("overtaken")
      if other.epoch < proposed.epoch { problems.append("overtaken by an older one") }
    case .refused: count("refused")
    }
  }

  private mutating func perform(_ actions: [TopologyAction], by number: Int) {
    let host = hosts[number]
    for action in actions {
      switch action {
      case .store(let state): host.disk = state.encoded
      case .send(let message, let node):
        guard !isLost, let other = hosts.firstIndex(where: { $0.record.node == node }) else { continue }
        queue.add(.peer(message.encoded, to: other), at: time + delay)
      case .learned(let topology):
        check(topology)
        perform(host.session.knows(topology, now: time), by: number)
      case .proposalEnded, .foreign, .unlike: problems.append("\(action) where etcd decides")
      }
    }
  }

  // MARK: Checks

  private mutating func check(_ topology: Topology) {
    if let other = chosen[topology.epoch] {
      if other != topology { problems.append("two topologies of epoch \(topology.epoch)") }
      return
    }
    chosen[topology.epoch] = topology
    guard let basis = bases[topology.digest] else { return problems.append("nobody proposed what was chosen") }
    // What lies between may not have been heard of by anybody yet.
    if let before = chosen[topology.epoch - 1], basis != before.digest {
      problems.append("epoch \(topology.epoch) does not follow from the one before")
    }
  }

  private mutating func checkEnd() {
    guard let newest = chosen.values.max(by: { $0.epoch < $1.epoch }) else { return problems.append("no cluster") }
    for host in hosts {
      if host.register.topology != newest { problems.append("\(host.record.node) does not know the newest") }
      if let trouble = host.session.trouble { problems.append("\(host.record.node): \(trouble)") }
      if etcd.members[host.record.node]?.entry.cluster != newest.clusterID {
        problems.append("\(host.record.node) is not registered")
      }
      if host.proposed != nil { problems.append("a proposal without an end") }
    }
    if etcd.decisions.count > Int(EtcdDecision.keptMax) { problems.append("old decisions are kept") }
  }
}
