import NeedletailCluster
import NeedletailEnvironment

/// What a node knows of its cluster at this moment: who holds which slots, who is there and how to reach them.
///
/// Whoever follows what happens writes to it (`ClusterMember`); all who send, read and repair look things up in it.
final class ClusterView: Sendable {
  /// Another node, as far as it matters for sending it something.
  struct Peer: Sendable {
    var isPresent: Bool
    var channel: PeerChannel
    /// Whether it takes requests from outside.
    var isCollector = true
  }

  private struct State {
    var layout: ClusterLayout?
    var peers: [NodeID: Peer] = [:]
    /// Of the peers, those that are there and take requests from outside.
    var collectors = 0
  }

  /// The node itself.
  let own: NodeID
  let identity: NodeIdentity
  private let state = Lock(State())

  init(own: NodeID, identity: NodeIdentity) {
    self.own = own
    self.identity = identity
  }

  /// Nil until the node knows any.
  var layout: ClusterLayout? { state.withLock { $0.layout } }

  /// Whether it makes sense to ask the node now; the node itself is always there.
  func isPresent(_ node: NodeID) -> Bool { node == own || state.withLock { $0.peers[node]?.isPresent ?? false } }

  /// The way to a node; nil where none is known, and for the node itself.
  func channel(to node: NodeID) -> PeerChannel? { state.withLock { $0.peers[node]?.channel } }

  /// How many nodes take requests from outside now, this one among them.
  var collectorCount: Int { 1 + state.withLock { $0.collectors } }

  /// All others that were ever heard of, by name.
  var peers: [NodeID: Peer] { state.withLock { $0.peers } }

  func take(_ layout: ClusterLayout) { state.withLock { $0.layout = layout } }

  /// Notes what is known of another node; nil forgets it. Returns the channel that is used no more.
  @discardableResult
  func note(_ node: NodeID, _ peer: Peer?) -> PeerChannel? {
    state.withLock { state in
      let old = state.peers[node]?.channel
      state.peers[node] = peer
      state.collectors = state.peers.values.count { $0.isPresent && $0.isCollector }
      return old === peer?.channel ? nil : old
    }
  }
}

/// What happened in the cluster, for whoever keeps a state of its own by node or slot.
enum ClusterEvent: Sendable {
  case layout(ClusterLayout)
  case present(NodeID)
  case absent(NodeID)
  /// It left or was taken out, for good.
  case removed(NodeID)
}

/// A part of the node that hears what happens in the cluster, in order.
protocol ClusterListener: Sendable {
  func heard(_ event: ClusterEvent) async
}
