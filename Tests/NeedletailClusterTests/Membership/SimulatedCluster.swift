import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry

@testable import NeedletailCluster

/// Many nodes in one thread, on a virtual clock and a network that does everything that networks do. A run follows from its
/// seed.
struct SimulatedCluster {
  static let second: Int64 = 1_000_000_000
  static let millisecond: Int64 = 1_000_000

  /// How the network treats a message.
  struct Link {
    /// In thousandths.
    var loss = 0
    var duplication = 0
    var delayMin = millisecond
    /// The mean of what comes on top, which is exponential.
    var delayMean = 2 * millisecond
  }

  enum Event {
    case deliver([UInt8], from: Int, to: PeerAddress)
    case timer(host: Int, number: Int)
    case resume(host: Int)
  }

  private struct Pair: Hashable {
    var from: Int
    var to: Int
  }

  let seed: UInt64
  let planted: PlantedBugs
  var options = MembershipOptions()
  var random: SeededGenerator
  private(set) var time: Int64 = 0
  private var queue = EventQueue<Event>()
  var hosts: [SimulatedHost] = []
  private var hostOf: [PeerAddress: Int] = [:]
  var link = Link()
  private var cuts: Set<Pair> = []
  var seeds: [PeerAddress] = []
  /// What became wrong, in words.
  var problems: [String] = []
  /// Who took whom for suspect or dead that was running.
  private(set) var suspectedLiving: [(time: Int64, by: NodeID, node: NodeID)] = []
  private(set) var buriedLiving: [(time: Int64, by: NodeID, node: NodeID)] = []
  /// A hash of all that happened, in its order.
  private(set) var trace: UInt64 = 0
  private(set) var eventCount = 0
  private(set) var largestPing = 0
  var faultCount = 0
  var convergence: [Int64] = []
  private var identities: UInt64 = 0

  init(seed: UInt64, planted: PlantedBugs = []) {
    self.seed = seed
    self.planted = planted
    random = SeededGenerator(seed: seed)
  }

  // MARK: Hosts

  /// A new machine; `name` and `identity` are new too where they are not given.
  mutating func addHost(name: NodeID? = nil, identity: NodeIdentity? = nil, address: PeerAddress? = nil) throws -> Int {
    let number = hosts.count
    let record = try NodeRecord(
      node: name ?? NodeID("node-\(number < 10 ? "0" : "")\(number)"), identity: identity ?? newIdentity(),
      address: address ?? PeerAddress("10.0.\(number / 250).\(number % 250 + 1):7100"), zone: "zone-\(number % 3)",
      weight: UInt32(1 + number % 2), version: "0.1.0")
    let host = SimulatedHost(
      record, clockOffset: Int64(random.next() % 1_000_000_000_000), clockError: Int64(random.next() % 1001) - 500,
      random: SeededGenerator(seed: seed ^ UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15))
    hosts.append(host)
    hostOf[record.address] = number
    return number
  }

  mutating func newIdentity() -> NodeIdentity {
    identities += 1
    return NodeIdentity(Hash128(high: random.next(), low: identities))
  }

  /// Starts the host's process anew.
  mutating func start(_ host: Int) {
    hostOf[hosts[host].address] = host
    hosts[host].start += 1
    hosts[host].pausedUntil = nil
    hosts[host].waiting = []
    var membership = Membership(hosts[host].record, run: hosts[host].random.next(), options: options, seeds: seeds)
    membership.planted = planted
    hosts[host].membership = membership
    tick(host)
  }

  mutating func crash(_ host: Int) {
    faultCount += 1
    hosts[host].ended = hosts[host].membership
    hosts[host].membership = nil
  }

  /// Stops the process for a while; what is sent to it meanwhile comes afterwards, or not at all.
  mutating func pause(_ host: Int, for duration: Int64, isDeaf: Bool = false) {
    faultCount += 1
    hosts[host].isDeaf = isDeaf
    hosts[host].pausedUntil = time + duration
    queue.add(.resume(host: host), at: time + duration)
  }

  /// Stops a node in order.
  mutating func stop(_ host: Int) {
    act(host) { $0.suspend(now: $1, random: &$2) }
    crash(host)
  }

  mutating func leave(_ host: Int) {
    act(host) { $0.leave(now: $1, random: &$2) }
  }

  mutating func remove(_ node: NodeID, by host: Int) {
    act(host) { (try? $0.remove(node, now: $1, random: &$2)) ?? [] }
  }

  // MARK: The network

  mutating func cut(from: Int, to: Int) {
    faultCount += 1
    cuts.insert(Pair(from: from, to: to))
  }

  mutating func healLinks() {
    cuts.removeAll()
    link = Link()
    for host in hosts.indices { hosts[host].slowness = 0 }
  }

  mutating func cut(_ one: [Int], from other: [Int]) {
    for left in one {
      for right in other { cuts.formUnion([Pair(from: left, to: right), Pair(from: right, to: left)]) }
    }
    faultCount += 1
  }

  private mutating func transmit(_ message: MembershipMessage, from host: Int, to address: PeerAddress) {
    let bytes = message.encoded()
    hosts[host].sentBytes += bytes.count
    hosts[host].sentMessages += 1
    switch message.body {
    case .summary, .members, .refused: break
    default: largestPing = max(largestPing, bytes.count)
    }
    if bytes.count > MembershipMessage.bytesMax { problems.append("a message of \(bytes.count) bytes") }
    guard Int(random.next() % 1000) >= link.loss else { return }
    let copies = Int(random.next() % 1000) < link.duplication ? 2 : 1
    for _ in 0..<copies {
      var delay = link.delayMin + exponential(link.delayMean) + hosts[host].slowness
      if let receiver = hostOf[address] { delay += hosts[receiver].slowness }
      queue.add(.deliver(bytes, from: host, to: address), at: time + delay)
    }
  }

  private mutating func exponential(_ mean: Int64) -> Int64 {
    // The sum of geometric halves is near enough, and the same on every machine.
    var value = Int64(random.next() % UInt64(max(1, mean)))
    while random.next() & 1 == 0 { value += mean / 2 }
    return value
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
    case .deliver(let bytes, let from, let address):
      guard let to = hostOf[address], !cuts.contains(Pair(from: from, to: to)), hosts[to].membership != nil else {
        return
      }
      if hosts[to].pausedUntil != nil {
        if !hosts[to].isDeaf { hosts[to].waiting.append((bytes, hosts[from].address)) }
      } else {
        deliver(bytes, from: hosts[from].address, to: to)
      }
    case .timer(let host, let number):
      guard hosts[host].timer == number, hosts[host].pausedUntil == nil else { return }
      tick(host)
    case .resume(let host):
      guard let until = hosts[host].pausedUntil, until <= time else { return }
      hosts[host].pausedUntil = nil
      let waiting = hosts[host].waiting
      hosts[host].waiting = []
      for message in waiting { deliver(message.bytes, from: message.from, to: host) }
      tick(host)
    }
  }

  private mutating func deliver(_ bytes: [UInt8], from: PeerAddress, to host: Int) {
    note(1, host, bytes.withUnsafeBytes { xxHash64($0) })
    do {
      let message = try bytes.withUnsafeBytes { bytes throws(MalformedBytes) in try MembershipMessage(decoding: bytes) }
      act(host) { $0.receive(message, from: from, now: $1, random: &$2) }
    } catch {
      problems.append("a message that cannot be read: \(error)")
    }
  }

  private mutating func tick(_ host: Int) {
    note(2, host, 0)
    act(host) { $0.tick(now: $1, random: &$2) }
  }

  private mutating func act(
    _ host: Int, _ body: (inout Membership, Int64, inout SeededGenerator) -> [MembershipAction]
  ) {
    let now = hosts[host].localTime(time)
    guard let actions = hosts[host].act(now, body) else { return }
    for action in actions { perform(action, by: host) }
    hosts[host].timer += 1
    if let next = hosts[host].membership?.nextDeadline {
      let due = hosts[host].time(ofLocal: max(next, now), after: time)
      queue.add(.timer(host: host, number: hosts[host].timer), at: due)
    }
  }

  private mutating func perform(_ action: MembershipAction, by host: Int) {
    switch action {
    case .send(let message, let address): transmit(message, from: host, to: address)
    case .changed(let member):
      note(3, host, member.fingerprint)
      guard member.node != hosts[host].node, isAlive(member), member.status == .suspect || member.status == .dead
      else { return }
      let entry = (time, hosts[host].node, member.node)
      if member.status == .suspect { suspectedLiving.append(entry) } else { buriedLiving.append(entry) }
    case .refused(let refusal): note(4, host, UInt64(refusal.reason.rawValue))
    case .left: note(5, host, 0)
    }
  }

  private func isAlive(_ member: Member) -> Bool {
    hosts.contains { $0.record.identity == member.identity && $0.isRunning && $0.membership?.own.status == .alive }
  }

  private mutating func note(_ kind: UInt64, _ host: Int, _ value: UInt64) {
    for word in [UInt64(bitPattern: time), kind, UInt64(host), value] {
      trace = (trace ^ word) &* 0x9E37_79B9_7F4A_7C15
      trace ^= trace >> 29
    }
  }
}
