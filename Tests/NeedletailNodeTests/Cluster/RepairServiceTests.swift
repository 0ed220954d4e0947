import NeedletailCluster
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Repair between nodes", .serialized) struct RepairServiceTests {
  private typealias Row = MemoryContents.Row

  /// Rows of all signals: for each the rows of every node, of which each has a random part.
  private static func contents(
    seed: UInt64, rows: Int, share: Double
  ) -> (all: [Set<Row>], nodes: [[MemoryContents]]) {
    var generator = SeededGenerator(seed: seed)
    let nodes = (0..<3).map { _ in (0..<3).map { _ in MemoryContents() } }
    let all = (0..<3).map { signal in
      var rows: Set<Row> = Set(
        (0..<rows).map { _ in
          let key = Hash128(
            high: UInt64(signal), low: UInt64.random(in: 0..<40, using: &generator))
          return Row(
            slot: UInt16.random(in: 0..<UInt16(MemoryContents.slots), using: &generator), key: key,
            window: Int64.random(in: 490_000..<490_100, using: &generator), value: generator.next())
        })
      for row in rows.sorted() {
        let first = Int.random(in: 0..<3, using: &generator)
        for node in 0..<3 where node == first || Double.random(in: 0..<1, using: &generator) < share {
          nodes[node][signal].add([row])
        }
      }
      if rows.isEmpty { rows = [] }
      return rows
    }
    return (all, nodes)
  }

  private static func disks(_ count: Int = 3) -> [FaultyFileSystem] {
    (0..<count).map { number in
      let disk = FaultyFileSystem(seed: UInt64(number + 1))
      try? disk.createDirectory("/data")
      try? disk.syncDirectory("/")
      return disk
    }
  }

  private static func isEqual(_ nodes: [[MemoryContents]], _ all: [Set<Row>]) -> Bool {
    nodes.allSatisfy { node in zip(node, all).allSatisfy { $0.rows == $1 } }
  }

  @Test("Replicas with different parts of metrics, logs and spans become equal", arguments: [1, 2] as [UInt64])
  func union(seed: UInt64) async throws {
    let (all, nodes) = Self.contents(seed: seed, rows: 300, share: 0.5)
    let contents = nodes.map { RepairContents($0) }
    try await RepairNodes.run(contents, disks: Self.disks(), founding: [0, 1, 2]) { cluster in
      await cluster.hear(epoch: 1)
      #expect((0..<3).allSatisfy { cluster.isReady($0) })
      #expect(await RepairNodes.eventually { Self.isEqual(nodes, all) }, "seed \(seed)")
      let counts = cluster.nodes.map { $0.service.counters.value }
      #expect(counts.allSatisfy { $0.malformed == 0 && $0.storesFailed == 0 })
      #expect(counts.reduce(0) { $0 + $1.rowBytesTaken } > 0)
    }
  }

  @Test("Equal replicas say two things for a slot and partner, and read no rows")
  func equal() async throws {
    let (_, nodes) = Self.contents(seed: 3, rows: 200, share: 1)
    try await RepairNodes.run(nodes.map { RepairContents($0) }, disks: Self.disks(), founding: [0, 1, 2]) { cluster in
      await cluster.hear(epoch: 1)
      #expect(
        await RepairNodes.eventually {
          var isDone = true
          for node in cluster.nodes where await node.service.status().rounds < 2 { isDone = false }
          return isDone
        })
      let counts = cluster.nodes.map { $0.service.counters.value }
      let (exchanges, sent) = counts.reduce(into: (0, 0)) { $0 = ($0.0 + $1.exchanges, $0.1 + $1.messagesSent) }
      // Those under way have said something too.
      #expect(exchanges >= 3 * 2 * MemoryContents.slots && sent <= 2 * (exchanges + 3 * 4))
      #expect(nodes.allSatisfy { $0.allSatisfy { $0.walks == 0 } })
      #expect(counts.allSatisfy { $0.rowBytesSent == 0 && $0.unfinished == 0 })
    }
  }

  @Test("What stays of more replicas is done with a change when it has compared with those that go")
  func keeping() async throws {
    let (all, nodes) = Self.contents(seed: 9, rows: 200, share: 0.5)
    let members = try (0..<3).map { number in
      try TopologyMember(node: NodeID("n\(number)"), identity: RepairNodes.identities[number])
    }
    let founded = try Topology.founding(
      clusterID: Hash128(high: 1, low: 1), slotCount: MemoryContents.slots, replicaCount: 3, writeQuorum: 2,
      members: members)
    let shrinking = try founded.draining(NodeID("n2"))
    let change = try #require(RingChange(shrinking))
    @Sendable func hear(_ topology: Topology, _ nodes: ArraySlice<RepairNode>) async {
      for node in nodes {
        node.view.take(ClusterLayout(topology))
        await node.service.heard(.layout(ClusterLayout(topology)))
      }
    }
    try await RepairNodes.run(nodes.map { RepairContents($0) }, disks: Self.disks(), founding: [0, 1, 2]) { cluster in
      await hear(founded, cluster.nodes[...])
      let due = change.due(of: NodeID("n0"))
      #expect(due.count == MemoryContents.slots)
      #expect(cluster.nodes[0].service.unfinished(of: due).isEmpty)
      // It compares with nobody who does not know the change.
      await hear(shrinking, cluster.nodes[..<1])
      #expect(cluster.isReady(0) && cluster.nodes[0].service.unfinished(of: due) == due)
      await hear(shrinking, cluster.nodes[1...])
      #expect(
        await RepairNodes.eventually {
          cluster.nodes[..<2].allSatisfy { $0.service.unfinished(of: due).isEmpty }
        })
      #expect(change.due(of: NodeID("n2")).isEmpty)
      await hear(try shrinking.cancelled(), cluster.nodes[...])
      #expect(await RepairNodes.eventually { Self.isEqual(nodes, all) })
    }
  }

  @Test("An emptied node has no vote, counts nothing before the loss has its epoch, and is whole when others filled it")
  func filling() async throws {
    var (all, nodes) = Self.contents(seed: 4, rows: 200, share: 1)
    nodes[2] = (0..<3).map { _ in MemoryContents() }
    let (contents, filled, rows) = (nodes.map { RepairContents($0) }, nodes, all)
    all = []
    let disks = Self.disks()
    try await RepairNodes.run(contents, disks: disks, founding: [0, 1]) { cluster in
      await cluster.hear(epoch: 1)
      #expect(cluster.isReady(0) && cluster.isReady(1) && !cluster.isReady(2))
      #expect(await RepairNodes.eventually { cluster.nodes[2].losses.value >= 1 })
      // Rounds bring it the rows; they are no proof yet.
      #expect(await RepairNodes.eventually { Self.isEqual(filled, rows) })
      #expect(!cluster.isReady(2))
      await cluster.hear(epoch: 2)
      #expect(await RepairNodes.eventually { cluster.isReady(2) })
      #expect(Self.isEqual(filled, rows))
      #expect(await cluster.nodes[2].service.status().unready == 0)
    }
    // What a node knows of itself outlives it.
    let file = RepairStateFile(
      folder: "/data", fileSystem: disks[2].crash(.syncedOnly), identity: RepairNodes.identities[2])
    #expect(
      await RepairNodes.eventually {
        let state = file.load().state
        return state.epoch == 2 && state.records.count == MemoryContents.slots
      })
  }

  @Test("A fill that is cut off goes on after a restart")
  func cutOff() async throws {
    var (all, nodes) = Self.contents(seed: 11, rows: 400, share: 1)
    nodes[1] = (0..<3).map { _ in MemoryContents() }
    let (contents, filled, rows) = (nodes.map { RepairContents($0) }, nodes, all)
    all = []
    let disks = Self.disks()
    try await RepairNodes.run(contents, disks: disks, founding: [0, 2]) { cluster in
      await cluster.hear(epoch: 1)
      await cluster.hear(epoch: 2)
      #expect(await RepairNodes.eventually { filled[1][2].rows.count * 3 > rows[2].count })
    }
    try await RepairNodes.run(contents, disks: disks.map { $0.crash(.torn) }) { cluster in
      await cluster.hear(epoch: 2)
      #expect(cluster.isReady(0) && cluster.isReady(2))
      #expect(await RepairNodes.eventually { cluster.isReady(1) })
      #expect(Self.isEqual(filled, rows))
      #expect(cluster.nodes.allSatisfy { $0.losses.value == 0 })
    }
  }

  @Test("A node that starts anew is as ready as its disk says; with another disk's file it lacks everything")
  func restart() async throws {
    let (all, nodes) = Self.contents(seed: 5, rows: 60, share: 1)
    let contents = nodes.map { RepairContents($0) }
    let disks = Self.disks()
    try await RepairNodes.run(contents, disks: disks, founding: [0, 1, 2]) { cluster in
      await cluster.hear(epoch: 3)
      #expect((0..<3).allSatisfy { cluster.isReady($0) })
    }
    let after = disks.map { $0.crash(.torn) }
    var identities = RepairNodes.identities
    identities[1] = NodeIdentity(Hash128(high: 9, low: 9))
    try await RepairNodes.run(contents, disks: after, identities: identities) { cluster in
      // Before it knows any layout it has no vote on anything.
      #expect(!cluster.isReady(0))
      // One of before is none.
      await cluster.hear(epoch: 2)
      #expect(!cluster.isReady(0))
      await cluster.hear(epoch: 3)
      #expect(cluster.isReady(0) && !cluster.isReady(1) && cluster.isReady(2))
      #expect(cluster.nodes.map { $0.losses.value }[0] == 0)
      #expect(await RepairNodes.eventually { cluster.nodes[1].losses.value >= 1 })
      await cluster.hear(epoch: 4)
      #expect(await RepairNodes.eventually { cluster.isReady(1) })
    }
    #expect(Self.isEqual(nodes, all))
  }

  @Test("What is found damaged has no vote until others brought it back, and only that")
  func damage() async throws {
    let (all, nodes) = Self.contents(seed: 6, rows: 300, share: 1)
    let window = try #require(all[1].sorted().first).window
    try await RepairNodes.run(nodes.map { RepairContents($0) }, disks: Self.disks(), founding: [0, 1, 2]) { cluster in
      await cluster.hear(epoch: 1)
      nodes[0][1].damage(window)
      let slots = SlotSet((0..<UInt16(MemoryContents.slots)))
      #expect(await RepairNodes.eventually { cluster.nodes[0].losses.value >= 1 })
      let service = cluster.nodes[0].service
      #expect(service.unready(of: slots, windows: window...window) == slots)
      #expect(service.unready(of: slots, windows: (window + 1) ... .max).isEmpty)
      await cluster.hear(epoch: 2)
      #expect(await RepairNodes.eventually { cluster.isReady(0) })
      #expect(Self.isEqual(nodes, all))
      #expect(service.counters.value.damages == 1)
    }
  }

  @Test("A node that is away is passed over, and compared when it is back")
  func absent() async throws {
    let (all, nodes) = Self.contents(seed: 7, rows: 100, share: 0.4)
    try await RepairNodes.run(nodes.map { RepairContents($0) }, disks: Self.disks(), founding: [0, 1, 2]) { cluster in
      let gone = cluster.nodes[2].id
      func note(isPresent: Bool) async {
        for node in cluster.nodes where node.id != gone {
          guard let channel = node.view.channel(to: gone) else { continue }
          _ = node.view.note(gone, ClusterView.Peer(isPresent: isPresent, channel: channel))
          await node.service.heard(isPresent ? .present(gone) : .absent(gone))
        }
      }
      await note(isPresent: false)
      let layout = RepairNodes.layout(cluster.nodes.map(\.id), epoch: 1)
      for node in cluster.nodes where node.id != gone { await node.service.heard(.layout(layout)) }
      let union = (0..<3).map { nodes[0][$0].rows.union(nodes[1][$0].rows) }
      #expect(await RepairNodes.eventually { Self.isEqual(Array(nodes[..<2]), union) })
      #expect(cluster.nodes[2].service.counters.value.messagesReceived == 0)
      await note(isPresent: true)
      await cluster.nodes[2].service.heard(.layout(layout))
      #expect(await RepairNodes.eventually { Self.isEqual(nodes, all) })
    }
  }

  @Test("Messages that cannot be read, or come from nobody, are counted and do nothing")
  func malformed() async throws {
    let (all, nodes) = Self.contents(seed: 8, rows: 50, share: 1)
    try await RepairNodes.run(nodes.map { RepairContents($0) }, disks: Self.disks(), founding: [0, 1, 2]) { cluster in
      await cluster.hear(epoch: 1)
      let service = cluster.nodes[0].service
      var generator = SeededGenerator(seed: 8)
      let good = RepairEnvelope(
        sender: NodeID("n1"),
        message: RepairMessage(
          exchange: 1, number: 1, slot: 2, epoch: 1, windows: 0...10, identity: RepairNodes.identities[1],
          body: .question(.push(payload: [7, 1, 2, 3])))
      ).bytes
      for _ in 0..<300 {
        var bytes = good
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8(truncatingIfNeeded: generator.next())
        }
        _ = try? await service.answer(bytes)
      }
      for length in 0..<good.count {
        await #expect(throws: MalformedBytes.self) { _ = try await service.answer(Array(good[..<length])) }
      }
      let stranger = try RepairEnvelope(sender: NodeID("stranger"), message: RepairEnvelope(good).message).bytes
      await #expect(throws: MalformedBytes.self) { _ = try await service.answer(stranger) }
      let channel = try #require(cluster.nodes[1].view.channel(to: NodeID("n0")))
      await #expect(throws: PeerError.self) { _ = try await channel.call(.repair, [1, 2, 3], within: .seconds(20)) }
      #expect(service.counters.value.malformed >= good.count + 2)
      #expect(Self.isEqual(nodes, all))
    }
  }

  @Test("Rows that cannot be kept are asked for again, and a fill ends when they can")
  func full() async throws {
    var (all, nodes) = Self.contents(seed: 9, rows: 80, share: 1)
    nodes[1] = (0..<3).map { _ in MemoryContents() }
    for signal in nodes[1] { signal.setFull(true) }
    let (filled, rows) = (nodes, all)
    all = []
    try await RepairNodes.run(nodes.map { RepairContents($0) }, disks: Self.disks(), founding: [0, 2]) { cluster in
      await cluster.hear(epoch: 1)
      await cluster.hear(epoch: 2)
      let service = cluster.nodes[1].service
      #expect(await RepairNodes.eventually { service.counters.value.storesFailed > 3 })
      #expect(!cluster.isReady(1))
      for signal in filled[1] { signal.setFull(false) }
      #expect(await RepairNodes.eventually { cluster.isReady(1) })
      #expect(Self.isEqual(filled, rows))
    }
  }

  @Test("A replica that another one read differently is compared out of turn")
  func urged() async throws {
    let (all, nodes) = Self.contents(seed: 10, rows: 40, share: 0.5)
    var pace = RepairNodes.pace
    // Rounds come to nothing within the test.
    pace.exchanges.pause = 3_600_000_000_000
    try await RepairNodes.run(
      nodes.map { RepairContents($0) }, disks: Self.disks(), founding: [0, 1, 2], pace: pace
    ) { cluster in
      await cluster.hear(epoch: 1)
      let slots = SlotSet((0..<UInt16(MemoryContents.slots)))
      for node in cluster.nodes {
        for other in cluster.nodes where other.id != node.id {
          node.service.compare(slots, with: other.id)
        }
      }
      #expect(await RepairNodes.eventually { Self.isEqual(nodes, all) })
    }
  }
}
