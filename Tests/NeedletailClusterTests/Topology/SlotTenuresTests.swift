import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Since when a node holds its slots") struct SlotTenuresTests {
  /// Who holds what in one of the topologies that there were.
  private struct View {
    let topology: Topology
    let assignments: [SlotAssignment]

    init(_ topology: Topology) {
      self.topology = topology
      assignments = [topology.assignment] + (topology.besideAssignment.map { [$0] } ?? [])
    }

    func holds(_ slot: UInt16, _ member: TopologyMember) -> Bool {
      topology.member(member.node)?.identity == member.identity
        && assignments.contains { $0.replicas(of: slot).contains(member.node) }
    }
  }

  @Test(
    "A record counts exactly where the node held the slot ever since, as far as what is known reaches",
    arguments: 0..<60 as Range<UInt64>)
  func records(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    var row = [try generator.founding(members: 2...5)]
    for _ in 0..<80 {
      if let last = row.last, let next = try generator.changed(last) { row.append(next) }
    }
    let now = row[row.count - 1]
    let views = row.map { View($0) }
    for member in now.members {
      let tenures = SlotTenures(of: member.node, identity: member.identity, in: now)
      for number in 0..<now.slotCount {
        let slot = UInt16(number)
        let held = views.map { $0.holds(slot, member) }
        guard held[held.count - 1] else {
          #expect(tenures.since(slot, record: 1, settled: now.epoch) == nil && !tenures.slots.contains(slot))
          continue
        }
        try check(slot, member, now, tenures, held, "seed \(seed), \(member.node), slot \(slot)")
      }
    }
  }

  /// `held` tells for each epoch whether the node held the slot on this disk.
  private func check(
    _ slot: UInt16, _ member: TopologyMember, _ now: Topology, _ tenures: SlotTenures, _ held: [Bool], _ place: String
  ) throws {
    #expect(tenures.slots.contains(slot))
    // The first epoch since which it held the slot without a gap.
    let start = UInt64((held.lastIndex(of: false) ?? -1) + 2)
    #expect(!tenures.isFromTheStart(slot) || start == 1, "\(place)")
    if start == 1, now.horizon == 1, member.losses == 0 { #expect(tenures.isFromTheStart(slot), "\(place)") }
    for settled in 1...now.epoch where held[Int(settled) - 1] {
      // What is on the disk is of a time when the node held the slot up to when it was settled.
      let gap = held[..<(Int(settled) - 1)].lastIndex(of: false) ?? -1
      for record in UInt64(gap + 2)...settled {
        let since = try #require(tenures.since(slot, record: record, settled: settled))
        if since == record { #expect(start <= record, "\(place): \(record) \(settled)") }
        if start <= record, settled + 1 >= now.horizon { #expect(since == record, "\(place): \(record) \(settled)") }
      }
    }
    // Where it begins anew, that counts from then on.
    let anew = try #require(tenures.since(slot, record: nil, settled: 0))
    #expect(tenures.since(slot, record: anew, settled: now.epoch) == anew)
    #expect(start <= anew, "\(place)")
  }

  @Test("A node whose disk was replaced, and a stranger, hold nothing on what they have")
  func others() throws {
    var generator = TopologyGenerator(seed: 1)
    let topology = try generator.founding(members: 3...3)
    let old = topology.ring[0]
    let replaced = try topology.replacing(old.node, with: generator.identity())
    #expect(SlotTenures(of: old.node, identity: old.identity, in: replaced).slots.isEmpty)
    #expect(SlotTenures(of: NodeID("x"), identity: old.identity, in: replaced).slots.isEmpty)
    let new = SlotTenures(of: old.node, identity: replaced.ring[0].identity, in: replaced)
    for slot in new.slots {
      #expect(new.since(slot, record: nil, settled: 0) == 2 && !new.isFromTheStart(slot))
      #expect(new.since(slot, record: 1, settled: 1) == 2)
    }
    // Back to the first disk: what it knew of then does not count any more.
    let back = try replaced.replacing(old.node, with: old.identity)
    let again = SlotTenures(of: old.node, identity: old.identity, in: back)
    for slot in again.slots { #expect(again.since(slot, record: 1, settled: 1) == 3 && !again.isFromTheStart(slot)) }
  }
}
