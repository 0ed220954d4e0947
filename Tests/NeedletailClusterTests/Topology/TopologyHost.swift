import NeedletailEnvironment

@testable import NeedletailCluster

/// A machine with a disk on which a node runs, or ran.
///
/// A class, so that nothing of it is copied for being looked at.
final class TopologyHost {
  let number: Int
  let name: NodeID
  let address: PeerAddress
  var identity: NodeIdentity
  var seeds: [PeerAddress] = []
  /// Whom the members name: others that are there.
  var peers: [Int] = []
  /// What is durable of the state; nil where nothing was written.
  var disk: [UInt8]?
  /// The newest topology that the disk was ever told of, for the checks.
  var newest: Topology?

  var register: TopologyRegister?
  var founding: Founding?
  var change: RingChange?
  /// What is to be done, in its order: behind a store that is under way all waits.
  var outbox: [TopologyAction] = []
  /// The state that is being written.
  var storing: [UInt8]?
  /// Counts the starts, and the timers that were set: only the newest of each counts.
  var start = 0
  var timer = 0
  /// What it has proposed and not heard of.
  var proposed: Topology?
  /// Since when it knows of the change that is under way.
  var changeSince: Int64 = 0
  var random: SeededGenerator

  init(_ number: Int, identity: NodeIdentity, seed: UInt64) {
    self.number = number
    name = NodeID("node-\(number)")
    address = PeerAddress("10.0.0.\(number + 1):7100")
    self.identity = identity
    random = SeededGenerator(seed: seed ^ UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15)
  }

  var voter: TopologyVoter { TopologyVoter(name, identity) }
  var topology: Topology? { register?.topology }
}
