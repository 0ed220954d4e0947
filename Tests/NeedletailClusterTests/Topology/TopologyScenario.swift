import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// What happens to nodes that agree on topologies. The seed says which scenario, with how many nodes and how bad it is.
enum TopologyScenario: Int, CaseIterable {
  /// All seeds found a cluster, under faults from the start.
  case founding
  /// The seeds are cut from each other when they start.
  case cutFounding
  /// One node founds a cluster alone, and others are added.
  case alone
  /// Seeds have lists that overlap.
  case otherLists
  /// Two clusters hear of each other by mistake.
  case twoClusters
  /// Several propose for one epoch, each where it can talk to others than the one before.
  case duels

  private static let second = TopologyWorld.second

  static func play(_ seed: UInt64, bug: PlantedTopologyBug? = nil) throws -> TopologyWorld {
    // Duels are what most hangs on.
    let scenario = allCases[min(Int(seed % 8), allCases.count - 1)]
    var world = TopologyWorld(seed: seed, bug: bug)
    try scenario.play(&world)
    return world
  }

  private func play(_ world: inout TopologyWorld) throws {
    world.addHosts(Int.random(in: 4...7, using: &world.random))
    switch self {
    case .founding, .cutFounding, .duels: meet(&world, seeds: Int.random(in: 2...4, using: &world.random))
    case .alone: meet(&world, seeds: 1)
    case .otherLists: disagree(&world)
    case .twoClusters: confuse(&world)
    }
    for _ in 0..<Int.random(in: 15...40, using: &world.random) {
      if self == .duels { try duel(&world) } else { try step(&world) }
      guard world.problems.isEmpty else { return }
    }
    if self == .alone {
      // What is under way comes to its end, or the disk may not be lost.
      world.heal()
      world.run(for: 30 * Self.second)
    }
    if self == .alone, world.mayWipe(world.hosts[0]) {
      // Who founded alone has no seeds: with a new disk it has to be told that there is a cluster.
      if world.hosts[0].register != nil { world.crash(0) }
      world.wipe(0)
      world.start(0)
    }
    try end(&world)
  }

  // MARK: Beginnings

  private func addresses(_ numbers: some Sequence<Int>, _ world: TopologyWorld) -> [PeerAddress] {
    numbers.map { world.hosts[$0].address }
  }

  private func meet(_ world: inout TopologyWorld, seeds count: Int) {
    let seeds = addresses(0..<count, world)
    for host in world.hosts {
      // Who founds alone has no seeds.
      host.seeds = count == 1 && host.number == 0 ? [] : seeds
      host.peers = world.hosts.indices.filter { $0 != host.number }
    }
    if self == .cutFounding { partition(&world) }
    for host in world.hosts.indices {
      world.start(host)
      world.run(for: Int64.random(in: 0...Self.second / 2, using: &world.random))
    }
  }

  /// Nobody may found anything as long as the lists differ.
  private func disagree(_ world: inout TopologyWorld) {
    for host in world.hosts {
      host.seeds = addresses((0..<3).map { (host.number + $0) % 4 }, world)
      host.peers = world.hosts.indices.filter { $0 != host.number }
    }
    for host in world.hosts.indices { world.start(host) }
    world.run(for: 15 * Self.second)
    if !world.chosen.isEmpty { world.problems.append("a cluster is founded by seeds that disagree") }
    for host in world.hosts {
      world.crash(host.number)
      host.seeds = addresses(0..<3, world)
      world.start(host.number)
    }
  }

  private func confuse(_ world: inout TopologyWorld) {
    meet(&world, seeds: 2)
    // The last one has a cluster of its own, and then the others' addresses.
    let last = world.hosts.count - 1
    world.addHosts(1)
    world.start(last + 1)
    world.run(for: 20 * Self.second)
    world.hosts[last + 1].peers = Array(0...last)
    world.hosts[0].peers.append(last + 1)
    for host in [0, last + 1] {
      world.crash(host)
      world.start(host)
    }
  }

  // MARK: Faults and operators

  private func step(_ world: inout TopologyWorld) throws {
    let host = Int.random(in: world.hosts.indices, using: &world.random)
    switch Int.random(in: 0..<20, using: &world.random) {
    case 0: partition(&world)
    case 1, 2: world.cuts = []
    case 3, 4:
      world.loss = [0, 0, 50, 200, 400].randomElement(using: &world.random) ?? 0
      world.duplication = [0, 100, 300].randomElement(using: &world.random) ?? 0
      world.delayMean = TopologyWorld.millisecond * ([1, 10, 100, 500].randomElement(using: &world.random) ?? 1)
    case 5: world.cuts.insert([host, Int.random(in: world.hosts.indices, using: &world.random)])
    case 6, 7: if world.hosts[host].register != nil { world.crash(host) }
    case 8, 9, 10: for host in world.hosts where host.register == nil { world.start(host.number) }
    case 11: replaceDisk(of: host, &world)
    case 12, 13, 14: try quarrel(&world)
    default:
      for _ in 0..<Int.random(in: 1...3, using: &world.random) {
        try propose(by: Int.random(in: world.hosts.indices, using: &world.random), &world)
      }
    }
    let pauses: [Int64] = [20, 500, 3000]
    let pause = (pauses.randomElement(using: &world.random) ?? 0) * TopologyWorld.millisecond
    world.run(for: Int64.random(in: 0...pause, using: &world.random))
  }

  /// Several propose at once, and within the time that a decision takes nodes end and start and links are cut.
  private func quarrel(_ world: inout TopologyWorld) throws {
    for _ in 0..<2 { try propose(by: Int.random(in: world.hosts.indices, using: &world.random), &world) }
    for _ in 0..<Int.random(in: 3...12, using: &world.random) {
      let host = Int.random(in: world.hosts.indices, using: &world.random)
      switch Int.random(in: 0..<8, using: &world.random) {
      case 0, 1:
        if world.hosts[host].register != nil { world.crash(host) }
        world.start(host)
      case 6, 7: replaceDisk(of: host, &world)
      case 2: try propose(by: host, &world)
      case 3: partition(&world)
      case 4: world.cuts = []
      default: world.cuts.insert([host, Int.random(in: world.hosts.indices, using: &world.random)])
      }
      world.run(for: Int64.random(in: 0...15 * TopologyWorld.millisecond, using: &world.random))
    }
    if Bool.random(using: &world.random) { world.cuts = [] }
  }

  /// For one epoch: in each round other nodes can talk, some have ended and started since, and another one proposes.
  private func duel(_ world: inout TopologyWorld) throws {
    world.heal()
    world.run(for: Self.second)
    for _ in 0..<3 {
      world.cuts = []
      partition(&world)
      for host in world.hosts.indices where Int.random(in: 0..<3, using: &world.random) == 0 {
        world.crash(host)
        if Bool.random(using: &world.random), world.mayWipe(world.hosts[host]) { world.wipe(host) }
        world.start(host)
      }
      for _ in 0..<2 { try propose(by: Int.random(in: world.hosts.indices, using: &world.random), &world) }
      let pauses: [Int64] = [30, 2000]
      let pause = (pauses.randomElement(using: &world.random) ?? 0) * TopologyWorld.millisecond
      world.run(for: Int64.random(in: 0...pause, using: &world.random))
    }
  }

  private func partition(_ world: inout TopologyWorld) {
    let side = world.hosts.indices.filter { _ in Bool.random(using: &world.random) }
    for one in side {
      for other in world.hosts.indices where !side.contains(other) {
        world.cuts.formUnion([[one, other], [other, one]])
      }
    }
  }

  private func replaceDisk(of number: Int, _ world: inout TopologyWorld) {
    guard world.mayWipe(world.hosts[number]) else { return }
    if world.hosts[number].register != nil { world.crash(number) }
    world.wipe(number)
    if Int.random(in: 0..<4, using: &world.random) > 0 { world.start(number) }
  }

  /// What an operator, or a node of its own, would have changed; nil where there is nothing.
  private func change(_ topology: Topology, _ world: inout TopologyWorld) throws -> Topology? {
    let stale = world.hosts.first { host in topology.member(host.name).map { $0.identity != host.identity } ?? false }
    if let stale, Int.random(in: 0..<4, using: &world.random) > 0 {
      return try? topology.replacing(stale.name, with: stale.identity)
    }
    guard let host = world.hosts.randomElement(using: &world.random) else { return nil }
    switch Int.random(in: 0..<7, using: &world.random) {
    case 6 where Bool.random(using: &world.random):
      let zone = Bool.random(using: &world.random) ? nil : "zone"
      return try? topology.placing(host.name, zone: zone, weight: UInt32.random(in: 1...3, using: &world.random))
    case 6:
      let count = Int.random(in: 1...4, using: &world.random)
      let quorum = Int.random(in: 1...count, using: &world.random)
      return try? topology.replicating(Replication(count: count, writeQuorum: quorum))
    case 0, 1, 2:
      return try? topology.adding(try TopologyMember(node: host.name, identity: host.identity))
    case 3: return topology.ring.count > 3 && stale == nil ? try? topology.draining(host.name) : nil
    case 4: return try? topology.cancelled()
    default: return try? topology.damaged(host.name)
    }
  }

  private func propose(by number: Int, _ world: inout TopologyWorld) throws {
    guard let topology = world.hosts[number].topology, let next = try change(topology, &world) else { return }
    world.propose(next, by: number)
  }

  // MARK: The end

  /// When nothing fails any more, what is proposed is decided, and all know it.
  private func end(_ world: inout TopologyWorld) throws {
    world.heal()
    world.run(for: 60 * Self.second)
    let clusters = self == .twoClusters ? 2 : 1
    if world.chosen.count != clusters { world.problems.append("\(world.chosen.count) clusters and not \(clusters)") }
    let last = world.clusters.compactMap(\.last)
    // Beyond what anybody promises: more disks were lost than were left, by a change that was decided meanwhile.
    guard last.allSatisfy({ 2 * world.staleCount($0) < $0.electorate.voters.count }) else { return }
    for topology in last {
      let epoch = topology.epoch
      guard let host = world.hosts.first(where: { $0.topology?.clusterID == topology.clusterID }),
        let known = host.topology, let next = try? known.damaged(known.ring[0].node)
      else { continue }
      for _ in 0..<3 where host.topology?.epoch == epoch {
        world.propose(next, by: host.number)
        world.run(for: 20 * Self.second)
      }
      if host.topology?.epoch == epoch { world.problems.append("nothing is decided although all can talk") }
    }
    // Of one cluster that is known by the addresses of another, one may be asked by few of the others, and rarely.
    for _ in 0..<8 where world.hosts.contains(where: { world.isBehind($0) }) { world.run(for: 30 * Self.second) }
    for host in world.hosts {
      guard let topology = host.topology, let newest = world.chosen[topology.clusterID]?.last else {
        world.problems.append("\(host.name) knows nothing")
        continue
      }
      if topology != newest { world.problems.append("\(host.name) knows epoch \(topology.epoch) of \(newest.epoch)") }
    }
  }
}
