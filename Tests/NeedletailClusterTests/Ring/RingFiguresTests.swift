import Foundation
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

/// How even the slots lie, over many clusters whose nodes have other names: the figures of docs/cluster.md.
///
/// `NEEDLETAIL_RING_NODES=10` says for how many nodes, and has them printed.
@Suite("Figures of the ring") struct RingFiguresTests {
  @Test("With three replicas a node has little more or less than its share, whatever the nodes are called")
  func figures() throws {
    let asked = ProcessInfo.processInfo.environment["NEEDLETAIL_RING_NODES"].flatMap { Int($0) }
    let nodes = asked ?? 5
    for count in asked == nil ? [1024] : [1024, 4096, 16_384] {
      let slots = try #require(SlotMap(count: count))
      let clusters = nodes > 10 ? 20 : asked == nil ? 40 : 400
      let worst = (0..<clusters).map { unevenness(nodes, slots, cluster: $0) }.sorted()
      let (middle, last) = (worst[clusters / 2], worst[clusters * 99 / 100])
      #expect(middle <= 0.1 || asked != nil)
      guard asked != nil else { continue }
      print(
        "\(nodes) nodes, \(count) slots, \(clusters) clusters: worst node off by \(middle) (median), \(last) (99 %)")
    }
  }

  /// How far the worst node of a cluster is from an even share, as a part of it.
  private func unevenness(_ nodes: Int, _ slots: SlotMap, cluster: Int) -> Double {
    let members = (0..<nodes).map { RingMember(NodeID("c\(cluster)-n\($0)")) }
    let all = HashRing(members).replicas(slots, count: 3).joined()
    let load = Dictionary(all.map { ($0, 1) }, uniquingKeysWith: +)
    let even = Double(slots.count * 3) / Double(nodes)
    return members.map { abs(Double(load[$0.node] ?? 0) - even) / even }.max() ?? 0
  }
}
