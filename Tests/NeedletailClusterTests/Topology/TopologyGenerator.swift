import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// Clusters as founding and changes make them, by a seed.
struct TopologyGenerator {
  var random: SeededGenerator
  private var names = 0
  private var identities: UInt64 = 0

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  mutating func identity() -> NodeIdentity {
    identities += 1
    return NodeIdentity(Hash128(high: random.next(), low: identities))
  }

  mutating func member() throws -> TopologyMember {
    names += 1
    // Some come with a name that another one had before.
    let name = Bool.random(using: &random) ? names : Int.random(in: 0...names, using: &random)
    return try TopologyMember(
      node: NodeID("node-\(name)"), identity: identity(),
      zone: Bool.random(using: &random) ? "zone-\(Int.random(in: 0..<3, using: &random))" : nil,
      weight: UInt32.random(in: 1...3, using: &random))
  }

  mutating func replication() -> Replication {
    let count = Int.random(in: 1...4, using: &random)
    return Replication(count: count, writeQuorum: Int.random(in: 1...count, using: &random))
  }

  mutating func founding(members: ClosedRange<Int> = 1...6) throws -> Topology {
    let replicas = Int.random(in: 1...3, using: &random)
    var found: [TopologyMember] = []
    for number in 0..<Int.random(in: members, using: &random) {
      found.append(try TopologyMember(node: NodeID("founder-\(number)"), identity: identity()))
    }
    return try .founding(
      clusterID: Hash128(high: random.next(), low: random.next()), slotCount: Int.random(in: 1...12, using: &random),
      replicaCount: replicas, writeQuorum: replicas / 2 + 1, members: found.shuffled(using: &random))
  }

  /// What somebody might do to it next; nil where that cannot be done now.
  mutating func changed(_ topology: Topology) throws -> Topology? {
    let node = topology.members.randomElement(using: &random)?.node ?? NodeID("nobody")
    let member = try member()
    return switch Int.random(in: 0..<12, using: &random) {
    case 0, 1: try? topology.adding(member)
    case 2: topology.ring.count > 2 ? try? topology.draining(node) : nil
    case 3: topology.ring.count > 2 ? try? topology.removing(node) : nil
    case 4, 5: try? topology.former == nil ? topology.committed() : topology.finished()
    case 6: try? topology.cancelled()
    case 7: try? topology.damaged(node)
    case 8: try? topology.replacing(node, with: identity())
    case 9: try? topology.placing(node, zone: member.zone, weight: member.weight)
    case 10: try? topology.replicating(replication())
    default: nil
    }
  }

  /// A founding and some changes.
  mutating func topology() throws -> Topology {
    var topology = try founding()
    for _ in 0..<Int.random(in: 0..<60, using: &random) {
      if let next = try changed(topology) { topology = next }
    }
    return topology
  }

  mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      guard let index = bytes.indices.randomElement(using: &random) else { break }
      switch Int.random(in: 0..<4, using: &random) {
      case 0: bytes.remove(at: index)
      case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
      case 2: bytes[index] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
      default: bytes[index] = UInt8.random(in: 0...255, using: &random)
      }
    }
    return bytes
  }
}
