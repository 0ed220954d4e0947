import Foundation
import NeedletailEnvironment
import Testing

@testable import NeedletailCluster

/// What gossip costs and how long it takes, in virtual time: the figures of docs/cluster.md.
///
/// `NEEDLETAIL_GOSSIP_NODES=1000` says for how many nodes, and has them printed.
@Suite("Figures of gossip") struct GossipFiguresTests {
  private static let second = SimulatedCluster.second

  @Test("What a node sends does not depend on how many there are, and news is everywhere in logarithmic time")
  func figures() throws {
    let asked = ProcessInfo.processInfo.environment["NEEDLETAIL_GOSSIP_NODES"].flatMap { Int($0) }
    let count = asked ?? 40
    var cluster = SimulatedCluster(seed: 1)
    try start(count, &cluster)
    let drained = drain(&cluster)
    let (messages, bytes) = quiet(count, &cluster)
    let join = try joinOne(&cluster)
    let crash = crashOne(&cluster)
    let logarithm = Double(BinaryLogarithm.ceiling(ofOneMoreThan: count))
    #expect(cluster.problems.isEmpty)
    #expect(messages <= 3 && bytes <= 500)
    #expect(join <= 2 * logarithm + 3)
    #expect(crash.suspected <= 8 && crash.buried <= 8 + 6 * logarithm && crash.known <= crash.buried + 2 * logarithm)
    guard asked != nil else { return }
    print("nodes \(count): quiet \(messages) messages/s, \(bytes) bytes/s a node; join known after \(join) s;")
    print("crash suspected after \(crash.suspected) s, dead to the first \(crash.buried) s, to all \(crash.known) s")
    print("start: all knew all \(cluster.convergence[0] / Self.second) s after the last was started;")
    print("all passed on \(drained / Self.second) s later")
    print(
      "virtual seconds \(cluster.time / Self.second), events \(cluster.eventCount), largest ping \(cluster.largestPing)"
    )
  }

  private func start(_ count: Int, _ cluster: inout SimulatedCluster) throws {
    for _ in 0..<count { _ = try cluster.addHost() }
    cluster.seeds = [cluster.hosts[0].address, cluster.hosts[1].address, cluster.hosts[2].address]
    for host in 0..<count {
      cluster.start(host)
      cluster.run(for: Self.second / 100)
    }
    cluster.converge(within: 120 * Self.second, "started")
    cluster.run(for: cluster.options.settleAfter)
  }

  /// Until nobody has anything to pass on any more.
  private func drain(_ cluster: inout SimulatedCluster) -> Int64 {
    let begin = cluster.time
    while cluster.time - begin < 1200 * Self.second,
      cluster.hosts.contains(where: { $0.membership?.updates.count ?? 0 > 0 })
    {
      cluster.run(for: Self.second)
    }
    return cluster.time - begin
  }

  /// What a node sends in a second while nothing happens.
  private func quiet(_ count: Int, _ cluster: inout SimulatedCluster) -> (messages: Double, bytes: Double) {
    for host in cluster.hosts { (host.sentBytes, host.sentMessages) = (0, 0) }
    cluster.run(for: 20 * Self.second)
    let messages = cluster.hosts.reduce(0) { $0 + $1.sentMessages }
    let bytes = cluster.hosts.reduce(0) { $0 + $1.sentBytes }
    return (Double(messages) / Double(20 * count), Double(bytes) / Double(20 * count))
  }

  /// Seconds until all know of a newcomer.
  private func joinOne(_ cluster: inout SimulatedCluster) throws -> Double {
    let new = try cluster.addHost()
    let begin = cluster.time
    cluster.start(new)
    let node = cluster.hosts[new].node
    wait(&cluster) { $0.membership?.member(node) != nil }
    return seconds(since: begin, cluster)
  }

  /// Seconds until the first suspects a crashed node, until the first takes it for dead, and until all do.
  private func crashOne(
    _ cluster: inout SimulatedCluster
  ) -> (suspected: Double, buried: Double, known: Double) {
    _ = drain(&cluster)
    let (victim, begin) = (5, cluster.time)
    let node = cluster.hosts[victim].node
    cluster.crash(victim)
    func waitForFirst(_ status: MemberStatus) -> Double {
      while cluster.time - begin < 300 * Self.second {
        if cluster.hosts.contains(where: { ($0.membership?.member(node)?.status ?? .alive) >= status }) { break }
        cluster.run(for: Self.second / 10)
      }
      return seconds(since: begin, cluster)
    }
    let suspected = waitForFirst(.suspect)
    let buried = waitForFirst(.dead)
    wait(&cluster) { $0.membership?.member(node)?.status == .dead }
    return (suspected, buried, seconds(since: begin, cluster))
  }

  private func wait(_ cluster: inout SimulatedCluster, until condition: (SimulatedHost) -> Bool) {
    let begin = cluster.time
    while cluster.time - begin < 300 * Self.second {
      if cluster.running.allSatisfy({ condition(cluster.hosts[$0]) }) { return }
      cluster.run(for: Self.second / 10)
    }
  }

  private func seconds(since begin: Int64, _ cluster: SimulatedCluster) -> Double {
    Double((cluster.time - begin) / (Self.second / 10)) / 10
  }
}
