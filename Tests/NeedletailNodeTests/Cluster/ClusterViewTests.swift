import NeedletailCluster
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("What a node knows of its cluster")
struct ClusterViewTests {
  @Test("As many share the rates of tenants as are there and take requests, the node itself among them")
  func collectors() throws {
    let view = ClusterView(own: NodeID("a"), identity: NodeIdentity(Hash128(high: 0, low: 1)))
    let channel = PeerChannel.patient(try #require(ListenAddress("127.0.0.1:1")))
    #expect(view.collectorCount == 1)
    view.note(NodeID("b"), .init(isPresent: true, channel: channel))
    view.note(NodeID("c"), .init(isPresent: true, channel: channel, isCollector: false))
    view.note(NodeID("d"), .init(isPresent: false, channel: channel))
    #expect(view.collectorCount == 2)
    view.note(NodeID("d"), .init(isPresent: true, channel: channel))
    #expect(view.collectorCount == 3)
    view.note(NodeID("b"), nil)
    #expect(view.collectorCount == 2)
  }
}
