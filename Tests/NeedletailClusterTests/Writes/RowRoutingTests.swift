import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("The rows of a batch") struct RowRoutingTests {
  private func assignment(_ nodes: [Int], replicas: Int, slots: Int = 64) -> SlotAssignment {
    let ring = HashRing(nodes.map { RingMember(NodeID("n\($0)")) })
    return SlotAssignment(ring, slots: SlotMap(count: slots) ?? .standard, replicaCount: replicas)
  }

  /// Two assignments, or one, of a few nodes.
  private func world(_ generator: inout SeededGenerator) -> (SlotAssignment, SlotAssignment?) {
    let nodes = Array(0..<Int.random(in: 1...7, using: &generator))
    let replicas = Int.random(in: 1...5, using: &generator)
    let next =
      Bool.random(using: &generator)
      ? assignment(Array(nodes.dropFirst()) + [9], replicas: Int.random(in: 1...5, using: &generator)) : nil
    return (assignment(nodes, replicas: replicas), next)
  }

  @Test(
    "go to every old and new owner of their slots, in order, in arrays that are used again",
    arguments: 1...60 as ClosedRange<UInt64>)
  func everyOwner(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var routing = RowRouting()
    for _ in 0..<4 {
      let (old, next) = world(&generator)
      let replicas = ReplicaGroups(old, next: next)
      let rows = (0..<Int.random(in: 0...300, using: &generator)).map { _ in
        UInt16.random(in: 0...66, using: &generator)
      }
      routing.route(rows, over: replicas)
      #expect(routing.strayRows == rows.count { $0 >= 64 }, "seed \(seed)")
      #expect(routing.slots == Set(rows.filter { $0 < 64 }).sorted(), "seed \(seed)")
      for (index, node) in replicas.nodes.enumerated() {
        let owned = rows.enumerated().filter { _, slot in
          old.replicas(of: slot).contains(node) || next?.replicas(of: slot).contains(node) ?? false
        }
        #expect(Array(routing.rows(ofNode: index)) == owned.map { UInt32($0.offset) }, "seed \(seed)")
        #expect(routing.slots(ofNode: index, in: replicas) == Set(owned.map(\.element)).sorted(), "seed \(seed)")
      }
      #expect(
        routing.slotsOfNodes(in: replicas)
          == replicas.nodes.indices.map { routing.slots(ofNode: $0, in: replicas) }, "seed \(seed)")
      #expect(routing.rows(ofNode: -1).isEmpty && routing.rows(ofNode: replicas.nodes.count).isEmpty)
    }
  }

  @Test(
    "count by the distinct sets of replicas that they touch, and each node for those that it is in",
    arguments: 1...60 as ClosedRange<UInt64>)
  func groups(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let (old, next) = world(&generator)
    let replicas = ReplicaGroups(old, next: next)
    let slots = (0..<Int.random(in: 0...80, using: &generator)).map { _ in UInt16.random(in: 0..<64, using: &generator)
    }
    var routing = RowRouting()
    routing.route(slots, over: replicas)
    let targets = routing.targets(in: replicas)
    var sets: Set<[NodeID]> = []
    for slot in slots {
      sets.insert(old.replicas(of: slot).sorted())
      if let next { sets.insert(next.replicas(of: slot).sorted()) }
    }
    #expect(targets.nodes == Set(sets.flatMap { $0 }).sorted(), "seed \(seed)")
    #expect(targets.groupSizes.map { Int($0) }.sorted() == sets.map(\.count).sorted(), "seed \(seed)")
    var members = [[NodeID]](repeating: [], count: targets.groupSizes.count)
    for (place, node) in targets.nodes.enumerated() {
      #expect(targets.place(of: node) == place)
      for group in targets.groupsOfNode[place] { members[Int(group)].append(node) }
    }
    #expect(Set(members.map { $0.sorted() }) == sets, "seed \(seed)")
    #expect(targets.place(of: NodeID("another")) == nil)
  }

  @Test("are of few groups, however many slots there are")
  func fewGroups() {
    let replicas = ReplicaGroups(assignment([0, 1, 2, 3, 4], replicas: 3, slots: 1024))
    let targets = WriteTargets(slots: 0..<1024, in: replicas)
    #expect(targets.nodes.count == 5 && targets.groupSizes.count == 10)
  }

  @Test("of a ring without members have a group without replicas, which nobody can acknowledge")
  func nobody() {
    let targets = WriteTargets(slots: [3], in: ReplicaGroups(assignment([], replicas: 3)))
    #expect(targets.nodes.isEmpty && targets.groupSizes == [0])
  }
}
