import NeedletailEnvironment

@testable import NeedletailCluster

/// What happens to a cluster, and what must hold then. The seed says which, with how many nodes and how bad it is.
enum MembershipScenario: Int, CaseIterable {
  case storm, crash, cutLink, pause, replacedDisk, reusedAddress, stolenName, sameNameAtOnce, removal, leave
  case partition, lateSeeds, slowNode, copiedFolder, quiet, allRestart, returningHolder

  private static let second = SimulatedCluster.second

  /// Plays the scenario of a seed.
  static func play(_ seed: UInt64, planted: PlantedBugs = []) throws -> SimulatedCluster {
    let scenario = allCases[Int(seed % UInt64(allCases.count))]
    var cluster = SimulatedCluster(seed: seed, planted: planted)
    try scenario.play(&cluster)
    let largest = cluster.largestPing
    cluster.expect(largest <= cluster.options.pingBytesMax, "a ping of \(largest) bytes")
    return cluster
  }

  private func play(_ cluster: inout SimulatedCluster) throws {
    switch self {
    case .storm: try storm(&cluster)
    case .crash: try crash(&cluster)
    case .cutLink: try cutLink(&cluster)
    case .pause: try pause(&cluster)
    case .replacedDisk: try replacedDisk(&cluster)
    case .reusedAddress: try reusedAddress(&cluster)
    case .stolenName: try stolenName(&cluster)
    case .sameNameAtOnce: try sameNameAtOnce(&cluster)
    case .removal: try removal(&cluster)
    case .leave: try leave(&cluster)
    case .partition: try partition(&cluster)
    case .lateSeeds: try lateSeeds(&cluster)
    case .slowNode: try slowNode(&cluster)
    case .copiedFolder: try copiedFolder(&cluster)
    case .quiet: try quiet(&cluster)
    case .allRestart: try allRestart(&cluster)
    case .returningHolder: try returningHolder(&cluster)
    }
  }

  // MARK: Common

  /// 5 to 30 nodes that know each other. The first two are the seeds of all.
  private func cluster(_ cluster: inout SimulatedCluster, atLeast: Int = 5) throws {
    let count = Int.random(in: atLeast...30, using: &cluster.random)
    for _ in 0..<count { _ = try cluster.addHost() }
    cluster.seeds = [cluster.hosts[0].address, cluster.hosts[1].address]
    for host in 0..<count {
      cluster.start(host)
      cluster.run(for: Int64.random(in: 0...Self.second / 5, using: &cluster.random))
    }
    cluster.converge(within: Self.joinBound, "started")
    // Until all names count as their holders' own.
    cluster.run(for: 12 * Self.second)
    cluster.converge(within: 5 * Self.second, "settled")
  }

  static let joinBound = 30 * second

  /// How long after a crash all know: until it is noticed, the longest suspicion, and telling all.
  static func crashBound(_ count: Int) -> Int64 {
    let logarithm = Int64(BinaryLogarithm.ceiling(ofOneMoreThan: count))
    return (8 + 6 * logarithm + 2 * logarithm) * second
  }

  /// How long after everything is well again all know that everybody is alive: until the slowest node has its patience
  /// back, whoever is suspect was cleared or buried, and the dead were asked.
  static func healBound(_ count: Int) -> Int64 { 40 * second + crashBound(count) }

  private func some(_ cluster: inout SimulatedCluster, from first: Int = 0) -> Int {
    Int.random(in: first..<cluster.hosts.count, using: &cluster.random)
  }

  private func seconds(_ range: ClosedRange<Int64>, _ cluster: inout SimulatedCluster) -> Int64 {
    Int64.random(in: (range.lowerBound * Self.second)...(range.upperBound * Self.second), using: &cluster.random)
  }

  /// A network that loses a little, which is nothing to anybody.
  private func mildLoss(_ cluster: inout SimulatedCluster) {
    cluster.link.loss = Int.random(in: 0...20, using: &cluster.random)
    cluster.link.duplication = Int.random(in: 0...50, using: &cluster.random)
    cluster.link.delayMean = Int64.random(in: 1...20, using: &cluster.random) * SimulatedCluster.millisecond
  }

  // MARK: Faults of machines and networks

  private func storm(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    var crashed: Set<Int> = []
    for _ in 0..<Int.random(in: 10...25, using: &cluster.random) {
      cluster.run(for: seconds(0...4, &cluster))
      let (one, other) = (some(&cluster), some(&cluster))
      switch Int.random(in: 0..<9, using: &cluster.random) {
      case 0: cluster.link.loss = Int.random(in: 0...300, using: &cluster.random)
      case 1: cluster.link.duplication = Int.random(in: 0...500, using: &cluster.random)
      case 2: cluster.link.delayMean = Int64.random(in: 1...700, using: &cluster.random) * SimulatedCluster.millisecond
      case 3 where one != other: cluster.cut(from: one, to: other)
      case 4:
        let part = cluster.hosts.indices.filter { _ in Bool.random(using: &cluster.random) }
        cluster.cut(part, from: cluster.hosts.indices.filter { !part.contains($0) })
      case 5 where !crashed.contains(one):
        cluster.crash(one)
        crashed.insert(one)
      case 6:
        for host in crashed.sorted() { cluster.start(host) }
        crashed.removeAll()
      case 7 where !crashed.contains(one): cluster.pause(one, for: seconds(1...30, &cluster))
      case 8: cluster.hosts[one].slowness = seconds(1...4, &cluster)
      default: cluster.healLinks()
      }
    }
    cluster.healLinks()
    // The longest pause, and what is still under way on slow links.
    cluster.run(for: 40 * Self.second)
    let dead = crashed.sorted().map { (cluster.hosts[$0].node, MemberStatus.dead) }
    cluster.converge(
      Dictionary(uniqueKeysWithValues: dead), within: Self.healBound(cluster.hosts.count), "after the storm")
  }

  private func crash(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    mildLoss(&cluster)
    let host = some(&cluster)
    cluster.crash(host)
    cluster.converge(
      [cluster.hosts[host].node: .dead], within: Self.crashBound(cluster.hosts.count), "after a crash")
    cluster.start(host)
    cluster.converge(within: Self.joinBound, "after a restart")
    cluster.expectNobodyBuried("with one crash")
  }

  private func cutLink(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    let one = some(&cluster)
    var other = some(&cluster)
    while other == one { other = some(&cluster) }
    cluster.cut(from: one, to: other)
    if Bool.random(using: &cluster.random) { cluster.cut(from: other, to: one) }
    cluster.run(for: 60 * Self.second)
    let first = cluster.suspectedLiving.first
    cluster.expect(first == nil, "with one link cut \(first?.by.rawValue ?? "") suspects \(first?.node.rawValue ?? "")")
    cluster.healLinks()
    cluster.converge(within: 20 * Self.second, "after a link was mended")
  }

  private func pause(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    // One is out of reach for a moment, and who suspects it stands still meanwhile.
    let away = some(&cluster)
    cluster.cut([away], from: cluster.hosts.indices.filter { $0 != away })
    cluster.run(for: 3 * Self.second)
    let suspecting = cluster.hosts.indices.filter {
      cluster.hosts[$0].membership?.member(cluster.hosts[away].node)?.status == .suspect
    }
    let host = suspecting.randomElement(using: &cluster.random) ?? (away + 1) % cluster.hosts.count
    cluster.pause(host, for: seconds(3...60, &cluster), isDeaf: Bool.random(using: &cluster.random))
    cluster.healLinks()
    cluster.run(for: 61 * Self.second)
    cluster.converge(within: Self.healBound(cluster.hosts.count), "after a pause")
    let paused = cluster.hosts[host].node
    if let wrong = cluster.buriedLiving.first(where: { $0.node != paused }) {
      cluster.problems.append("\(wrong.by) took \(wrong.node) for dead, but \(paused) was paused")
    }
  }

  private func partition(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    // The seeds may be gone for good: then nobody but the dead themselves can be asked.
    let isSeedless = Bool.random(using: &cluster.random)
    var gone: [NodeID: MemberStatus] = [:]
    for seed in 0..<(isSeedless ? 2 : 0) {
      cluster.crash(seed)
      gone[cluster.hosts[seed].node] = .dead
    }
    cluster.converge(gone, within: Self.crashBound(cluster.hosts.count), "without seeds")
    let middle = Int.random(in: 3..<cluster.hosts.count, using: &cluster.random)
    cluster.cut(Array(0..<middle), from: Array(middle..<cluster.hosts.count))
    cluster.run(for: seconds(20...90, &cluster))
    cluster.healLinks()
    cluster.converge(gone, within: Self.healBound(cluster.hosts.count), "after a partition")
  }

  private func slowNode(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    let host = some(&cluster)
    cluster.faultCount += 1
    cluster.hosts[host].slowness = seconds(1...2, &cluster)
    cluster.run(for: 60 * Self.second)
    let slow = cluster.hosts[host].node
    if let wrong = cluster.buriedLiving.first(where: { $0.node != slow }) {
      cluster.problems.append("\(wrong.by) took \(wrong.node) for dead, but \(slow) was slow")
    }
    cluster.healLinks()
    cluster.run(for: 5 * Self.second)
    cluster.converge(within: Self.healBound(cluster.hosts.count), "after a node was slow")
  }

  private func allRestart(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    for host in cluster.hosts.indices { cluster.crash(host) }
    cluster.run(for: seconds(0...30, &cluster))
    for host in cluster.hosts.indices {
      cluster.start(host)
      cluster.run(for: seconds(0...1, &cluster))
    }
    cluster.converge(within: Self.joinBound, "after all were restarted")
    cluster.expectNobodyBuried("with all restarted")
  }

  private func lateSeeds(_ cluster: inout SimulatedCluster) throws {
    mildLoss(&cluster)
    let count = Int.random(in: 5...30, using: &cluster.random)
    for _ in 0..<count { _ = try cluster.addHost() }
    cluster.seeds = [cluster.hosts[0].address]
    for host in 1..<count { cluster.start(host) }
    cluster.run(for: seconds(5...40, &cluster))
    cluster.start(0)
    cluster.converge(within: Self.joinBound, "after the seed came late")
  }

  private func quiet(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    let periods: Int64 = 30
    cluster.run(for: 20 * Self.second)
    for host in cluster.hosts.indices { (cluster.hosts[host].sentBytes, cluster.hosts[host].sentMessages) = (0, 0) }
    cluster.run(for: periods * Self.second)
    for host in cluster.hosts {
      let (messages, bytes) = (Int64(host.sentMessages) / periods, Int64(host.sentBytes) / periods)
      cluster.expect(messages <= 4, "\(host.node) sends \(messages) messages a period with nothing to say")
      cluster.expect(bytes <= 500, "\(host.node) sends \(bytes) bytes a period with nothing to say")
    }
    let first = cluster.suspectedLiving.first
    cluster.expect(
      first == nil, "with nothing wrong \(first?.by.rawValue ?? "") suspects \(first?.node.rawValue ?? "")")
  }
}

// MARK: - Names and identities

extension MembershipScenario {
  private func replacedDisk(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    mildLoss(&cluster)
    let old = some(&cluster, from: 2)
    let name = cluster.hosts[old].node
    cluster.crash(old)
    cluster.converge([name: .dead], within: Self.crashBound(cluster.hosts.count), "after a disk was lost")
    let isMoved = Bool.random(using: &cluster.random)
    let new = try cluster.addHost(name: name, address: isMoved ? nil : cluster.hosts[old].address)
    cluster.start(new)
    cluster.run(for: cluster.options.takeOverAfter)
    cluster.converge(within: Self.joinBound, "after a disk was replaced")
    cluster.expect(cluster.hosts[new].membership?.own.record.isEmpty == true, "a replaced disk is not taken as empty")
    cluster.expect(cluster.hosts[new].membership?.own.tenure == 2, "a replaced disk is not the second of its name")
    // The old disk comes back, at once or while the new one is away too.
    let isAway = Bool.random(using: &cluster.random)
    if isAway {
      cluster.crash(new)
      cluster.converge([name: .dead], within: Self.crashBound(cluster.hosts.count), "after the new one died")
    }
    let again = try cluster.addHost(name: name, identity: cluster.hosts[old].record.identity)
    cluster.start(again)
    cluster.run(for: cluster.options.takeOverAfter + 10 * Self.second)
    cluster.expectRefused(again, [.superseded], "an old disk came back")
    if isAway { cluster.start(new) }
    cluster.converge(within: Self.joinBound, "after an old disk came back")
  }

  private func reusedAddress(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    let old = some(&cluster, from: 2)
    cluster.crash(old)
    let new = try cluster.addHost(address: cluster.hosts[old].address)
    cluster.start(new)
    cluster.converge(
      [cluster.hosts[old].node: .dead], within: Self.crashBound(cluster.hosts.count), "after an address was reused")
    cluster.expectNobodyBuried("with an address reused")
  }

  private func stolenName(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    mildLoss(&cluster)
    let holder = some(&cluster)
    let thief = try cluster.addHost(name: cluster.hosts[holder].node)
    cluster.start(thief)
    cluster.run(for: cluster.options.takeOverAfter + 10 * Self.second)
    cluster.expectRefused(thief, [.nameTaken], "a name was stolen")
    cluster.expect(cluster.hosts[holder].isRunning, "a name was stolen, and its holder stopped")
    cluster.converge(within: Self.joinBound, "after a name was stolen")
    cluster.expectNobodyBuried("with a name stolen")
  }

  /// A node takes the name of one that was only cut off, which comes back while it waits, or just after.
  private func returningHolder(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    let holder = some(&cluster, from: 2)
    let name = cluster.hosts[holder].node
    cluster.cut([holder], from: cluster.hosts.indices.filter { $0 != holder })
    let bound = Self.crashBound(cluster.hosts.count)
    cluster.run(for: bound)
    let thief = try cluster.addHost(name: name)
    cluster.cut([holder], from: [thief])
    cluster.start(thief)
    cluster.run(for: seconds(1...13, &cluster))
    cluster.healLinks()
    cluster.run(for: 60 * Self.second)
    let stay = [holder, thief].filter { cluster.hosts[$0].isRunning }
    cluster.expect(stay.count == 1, "of a holder that was cut off and another one \(stay.count) stay")
    for gone in [holder, thief] where !stay.contains(gone) {
      cluster.expectRefused(gone, [.nameTaken, .superseded], "a holder that was cut off came back")
    }
    cluster.converge(within: Self.healBound(cluster.hosts.count), "after a holder that was cut off came back")
  }

  private func sameNameAtOnce(_ cluster: inout SimulatedCluster) throws {
    let count = Int.random(in: 5...30, using: &cluster.random)
    for _ in 0..<count { _ = try cluster.addHost() }
    let one = some(&cluster, from: 2)
    let other = try cluster.addHost(name: cluster.hosts[one].node)
    cluster.seeds = [cluster.hosts[0].address, cluster.hosts[1].address]
    for host in cluster.hosts.indices.shuffled(using: &cluster.random) { cluster.start(host) }
    cluster.run(for: 30 * Self.second)
    let stay = [one, other].filter { cluster.hosts[$0].isRunning }
    cluster.expect(stay.count == 1, "of two with one name that started at once \(stay.count) stay")
    let expected = cluster.hosts[one].record.identity > cluster.hosts[other].record.identity ? one : other
    cluster.expect(stay == [expected], "of two with one name that started at once the wrong one stays")
    if let gone = [one, other].first(where: { !stay.contains($0) }) {
      cluster.expectRefused(gone, [.nameTaken], "two with one name started at once")
    }
    cluster.converge(within: Self.joinBound, "after two with one name started at once")
  }

  private func removal(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    mildLoss(&cluster)
    let host = some(&cluster, from: 2)
    let name = cluster.hosts[host].node
    let isAlive = Bool.random(using: &cluster.random)
    if !isAlive {
      cluster.crash(host)
      cluster.converge([name: .dead], within: Self.crashBound(cluster.hosts.count), "before a removal")
    }
    cluster.remove(name, by: 0)
    cluster.run(for: 5 * Self.second)
    if isAlive { cluster.expectRefused(host, [.removed], "a living node was removed") }
    cluster.converge([name: .removed], within: Self.joinBound, "after a removal")
    cluster.crash(host)
    cluster.start(host)
    cluster.run(for: 15 * Self.second)
    cluster.expectRefused(host, [.removed], "a removed node came back")
    let new = try cluster.addHost(name: name)
    cluster.start(new)
    cluster.converge(within: Self.joinBound, "after a removed name was given again")
    cluster.expect(cluster.hosts[new].membership?.own.tenure == 2, "the second of its name is not so")
    cluster.crash(host)
    cluster.start(host)
    cluster.run(for: 15 * Self.second)
    cluster.expectRefused(host, [.superseded], "a removed node came back to a name that was given again")
    cluster.converge(within: Self.joinBound, "after a removed node came back again")
  }

  private func leave(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    mildLoss(&cluster)
    let host = some(&cluster, from: 2)
    let name = cluster.hosts[host].node
    cluster.leave(host)
    cluster.run(for: 3 * Self.second)
    cluster.expect(cluster.hosts[host].membership?.isRunning == false, "a node that left still runs")
    cluster.converge([name: .left], within: 17 * Self.second, "after a goodbye")
    cluster.crash(host)
    cluster.start(host)
    cluster.run(for: 15 * Self.second)
    cluster.expectRefused(host, [.left], "a node that had left came back")
    cluster.converge([name: .left], within: 10 * Self.second, "after one that had left came back")
    cluster.expectNobodyBuried("with a goodbye")
  }

  private func copiedFolder(_ cluster: inout SimulatedCluster) throws {
    try self.cluster(&cluster)
    mildLoss(&cluster)
    let original = some(&cluster)
    let record = cluster.hosts[original].record
    let copy = try cluster.addHost(name: record.node, identity: record.identity)
    cluster.start(copy)
    cluster.run(for: 20 * Self.second)
    cluster.expectRefused(copy, [.identityInUse], "a data folder was copied")
    cluster.expect(cluster.hosts[original].isRunning, "a data folder was copied, and the original stopped")
    cluster.converge(within: Self.joinBound, "after a data folder was copied")
    // Where the original is gone, the folder was moved.
    cluster.crash(original)
    cluster.crash(copy)
    cluster.start(copy)
    cluster.run(for: 10 * Self.second)
    cluster.converge(within: Self.joinBound, "after a data folder was moved")
  }
}
