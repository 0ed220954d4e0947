import NeedletailCluster
import NeedletailTelemetry
import Testing

@Suite("Slots on the ring") struct SlotAssignmentTests {
  private func members(_ count: Int, zones: Int? = nil) -> [RingMember] {
    (0..<count).map { number in RingMember(NodeID("storage-\(number)"), zone: zones.map { "zone-\(number % $0)" }) }
  }

  private struct NoMap: Error {}

  /// Many slots and virtual nodes, so that what is left of the spread is the ring's own and not chance.
  private func fine(_ members: [RingMember], replicas: Int) throws -> SlotAssignment {
    guard let slots = SlotMap(count: 16_384) else { throw NoMap() }
    return SlotAssignment(HashRing(members, virtualNodes: 2048), slots: slots, replicaCount: replicas)
  }

  private func load(_ assignment: SlotAssignment) -> [NodeID: Int] {
    var load: [NodeID: Int] = [:]
    for slot in 0..<assignment.slots.count {
      for node in assignment.replicas(of: UInt16(truncatingIfNeeded: slot)) { load[node, default: 0] += 1 }
    }
    return load
  }

  @Test("Ten equal nodes each hold within a tenth of an even share", arguments: [1, 3])
  func balance(replicas: Int) throws {
    let load = load(try fine(members(10), replicas: replicas))
    let even = Double(16_384 * replicas) / 10
    #expect(load.count == 10)
    for (node, slots) in load { #expect(abs(Double(slots) - even) <= even / 10, "\(node) holds \(slots) of \(even)") }
  }

  @Test("An eleventh node takes its share, and nothing moves between the old nodes", arguments: [1, 3])
  func join(replicas: Int) throws {
    let moves = try fine(members(10), replicas: replicas).moves(to: try fine(members(11), replicas: replicas))
    #expect(moves.allSatisfy { $0.to == NodeID("storage-10") && $0.from != nil })
    #expect(Double(moves.count) <= 1.1 / 11 * Double(16_384 * replicas))
    #expect(Double(moves.count) >= 0.9 / 11 * Double(16_384 * replicas))
  }

  @Test("A node that leaves gives its slots away, and nothing else moves")
  func leave() throws {
    let all = members(7)
    let moves = try fine(all, replicas: 3).moves(to: try fine(Array(all.dropLast()), replicas: 3))
    #expect(!moves.isEmpty)
    #expect(moves.allSatisfy { $0.from == NodeID("storage-6") && $0.to != nil })
  }

  @Test("The order in which members are named, and naming one twice, change nothing")
  func determinism() {
    let all = members(9, zones: 3)
    let one = SlotAssignment(HashRing(all), replicaCount: 3)
    #expect(one == SlotAssignment(HashRing(all.reversed() + all), replicaCount: 3))
    #expect(one.moves(to: one).isEmpty)
  }

  @Test("The places on the ring are part of what nodes agree on: these never change")
  func golden() {
    let assignment = SlotAssignment(HashRing(members(4)), replicaCount: 2)
    let nodes = [0, 1, 500, 1023].map { assignment.replicas(of: $0).map(\.rawValue).joined(separator: ",") }
    #expect(nodes == Self.golden)
  }

  private static let golden = [
    "storage-3,storage-2", "storage-1,storage-2", "storage-0,storage-2", "storage-2,storage-0",
  ]

  @Test("Replicas lie on distinct nodes, in distinct zones as far as there are zones", arguments: [1, 2, 3, 5])
  func zones(zones: Int) {
    let all = members(10, zones: zones)
    let zoneOf = Dictionary(uniqueKeysWithValues: all.map { ($0.node, $0.zone ?? "") })
    let assignment = SlotAssignment(HashRing(all), replicaCount: 3)
    for slot in 0..<1024 as Range<UInt16> {
      let replicas = assignment.replicas(of: slot)
      #expect(replicas.count == 3 && Set(replicas).count == 3)
      #expect(Set(replicas.map { zoneOf[$0] ?? "" }).count == min(3, zones))
    }
  }

  @Test("Where nodes are fewer than replicas every node holds every slot; without nodes none does")
  func few() {
    let two = SlotAssignment(HashRing(members(2)), replicaCount: 3)
    #expect((0..<1024 as Range<UInt16>).allSatisfy { Set(two.replicas(of: $0)).count == 2 })
    #expect(two.slots(of: NodeID("storage-1")).count == 1024)
    #expect(SlotAssignment(HashRing([]), replicaCount: 3).replicas(of: 5).isEmpty)
    #expect(two.replicas(of: 1024).isEmpty)
  }
}
