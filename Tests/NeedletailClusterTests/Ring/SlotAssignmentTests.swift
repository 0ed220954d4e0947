import NeedletailCluster
import NeedletailTelemetry
import Testing

@Suite("Slots on the ring") struct SlotAssignmentTests {
  private func members(_ count: Int, zones: Int? = nil) -> [RingMember] {
    (0..<count).map { number in RingMember(NodeID("storage-\(number)"), zone: zones.map { "zone-\(number % $0)" }) }
  }

  private struct NoMap: Error {}

  private func assignment(_ members: [RingMember], slots: Int = 1024, replicas: Int) throws -> SlotAssignment {
    guard let slots = SlotMap(count: slots) else { throw NoMap() }
    return SlotAssignment(HashRing(members), slots: slots, replicaCount: replicas)
  }

  private func load(_ assignment: SlotAssignment) -> [NodeID: Int] {
    var load: [NodeID: Int] = [:]
    for slot in 0..<assignment.slots.count {
      for node in assignment.replicas(of: UInt16(truncatingIfNeeded: slot)) { load[node, default: 0] += 1 }
    }
    return load
  }

  /// How far the fullest and the emptiest of ten equal nodes are from an even share, in thousandths of it.
  private func unevenness(_ names: Int, slots: Int, replicas: Int) throws -> Int {
    let ten = (0..<10).map { RingMember(NodeID("cluster-\(names)-node-\($0)")) }
    let load = load(try assignment(ten, slots: slots, replicas: replicas))
    let even = slots * replicas / 10
    return load.values.map { abs($0 - even) * 1000 / even }.max() ?? 1000
  }

  @Test("Ten equal nodes each hold within a tenth of an even share: with three replicas of 1,024 slots")
  func balance() throws {
    // Whatever the nodes are called: every one of forty clusters.
    let worst = try (0..<40).map { try unevenness($0, slots: 1024, replicas: 3) }
    #expect(worst.allSatisfy { $0 <= 100 }, "\(worst)")
  }

  @Test("Ten equal nodes each hold within a tenth of an even share: with one replica it takes more slots")
  func balanceOfOne() throws {
    let worst = try (0..<4).map { try unevenness($0, slots: 16_384, replicas: 1) }
    #expect(worst.allSatisfy { $0 <= 100 }, "\(worst)")
  }

  @Test("An eleventh node takes its share, and nothing moves between the old nodes", arguments: [1, 3])
  func join(replicas: Int) throws {
    var all = 0
    for number in 0..<20 {
      let eleven = (0..<11).map { RingMember(NodeID("cluster-\(number)-node-\($0)")) }
      let moves = try assignment(Array(eleven.dropLast()), replicas: replicas)
        .moves(to: try assignment(eleven, replicas: replicas))
      #expect(moves.allSatisfy { $0.to == eleven[10].node && $0.from != nil })
      all += moves.count
      if replicas == 3 { #expect(Double(moves.count) <= 1.1 / 11 * Double(1024 * replicas), "cluster \(number)") }
    }
    #expect(Double(all) <= 1.1 / 11 * Double(20 * 1024 * replicas))
    #expect(Double(all) >= 0.9 / 11 * Double(20 * 1024 * replicas))
  }

  @Test("A node that leaves gives its slots away, and nothing else moves")
  func leave() throws {
    let all = members(7)
    let moves = try assignment(all, replicas: 3).moves(to: try assignment(Array(all.dropLast()), replicas: 3))
    #expect(!moves.isEmpty)
    #expect(moves.allSatisfy { $0.from == NodeID("storage-6") && $0.to != nil })
  }

  @Test("With zones, too, a node that joins or leaves moves nothing between others", arguments: 1...5)
  func zonedMoves(zones: Int) throws {
    let all = members(11, zones: zones)
    for newcomer in all {
      let without = all.filter { $0.node != newcomer.node }
      let moves = try assignment(without, replicas: 3).moves(to: try assignment(all, replicas: 3))
      #expect(moves.allSatisfy { $0.to == newcomer.node && $0.from != nil })
    }
  }

  @Test("A node of twice the weight takes twice the slots, and other weights theirs")
  func weights() throws {
    let weights: [UInt32] = [1, 1, 1, 1, 2, 2, 2, 4, 4, 6]
    let all = weights.enumerated().map { RingMember(NodeID("storage-\($0)"), weight: $1 * 500) }
    let load = load(try assignment(all, slots: 16_384, replicas: 1))
    for member in all {
      let share = Double(16_384) * Double(member.weight) / Double(24 * 500)
      #expect(abs(Double(load[member.node] ?? 0) - share) <= share / 10, "\(member)")
    }
    // With three replicas the heaviest cannot have three of one slot, and has a little less.
    let three = self.load(try assignment(all, replicas: 3))
    let (light, heavy) = (three[all[0].node] ?? 0, three[all[5].node] ?? 0)
    #expect((1.6...2.4).contains(Double(heavy) / Double(light)), "\(light) and \(heavy)")
  }

  @Test("A node whose weight grows takes slots, and nothing moves between others")
  func growth() throws {
    var all = members(8)
    let before = try assignment(all, replicas: 3)
    all[3].weight = 3
    let moves = before.moves(to: try assignment(all, replicas: 3))
    #expect(moves.count > 100)
    #expect(moves.allSatisfy { $0.to == all[3].node && $0.from != nil })
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
    "storage-1,storage-2", "storage-2,storage-0", "storage-1,storage-0", "storage-1,storage-3",
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
