import Foundation
import NeedletailBlocks
import NeedletailCluster
import NeedletailCollector
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Writes to several nodes", .serialized, .timeLimit(.minutes(15)))
struct ReplicatedWritingTests {
  private let now = Int64(Date().timeIntervalSince1970) * 1000

  private func content(_ cluster: WriteCluster, _ index: Int) async throws -> [String] {
    try await cluster.nodes[index].content("requests", at: now)
  }

  @Test("are on all three nodes, whoever of them took them, with one message each and no copy of the batch")
  func allThree() async throws {
    try await WriteCluster.run(3) { cluster in
      for index in 0..<3 {
        let written = try WrittenSeries((index * 100)..<(index * 100 + 100), at: now - 1_000)
        let outcome = try await cluster.sink(index).append(series: written.batch, definitions: written.definitions)
        #expect(outcome == SinkOutcome())
        // At this moment two have it; the third one may be on its way.
        var holding = 0
        for node in cluster.nodes {
          if try await node.content("requests{number=\"\(index * 100)\"}", at: now).count == 2 { holding += 1 }
        }
        #expect(holding >= 2)
        try await cluster.settle(index)
      }
      let first = try await content(cluster, 0)
      #expect(first.count == 600)
      #expect(try await content(cluster, 1) == first)
      #expect(try await content(cluster, 2) == first)
      #expect(try await cluster.nodes[0].up.writing.coordinator.writes.counters.retries == 0)
      let received = try await cluster.nodes[1].up.writing.receiver.outcomes
      #expect(received == [.stored: 2])
    }
  }

  @Test("of five nodes lie on exactly the three of their slot, logs by stream and spans by trace")
  func fiveNodes() async throws {
    try await WriteCluster.run(5) { cluster in
      let written = try WrittenSeries(0..<400, at: now - 1_000)
      _ = try await cluster.sink().append(series: written.batch, definitions: written.definitions)
      for kind in [Frame.Kind.logs, .spans] {
        let events = try events(kind, rows: 300)
        _ = try await cluster.sink(1).append(events: events)
      }
      try await cluster.settle(0)
      try await cluster.settle(1)
      let slots = written.batch.slots(.standard)
      var (series, logs, spans) = (0, 0, 0)
      for (index, node) in cluster.nodes.enumerated() {
        let owned = slots.count { cluster.layout.assignment.replicas(of: $0).contains(node.id) }
        #expect(try await content(cluster, index).count == 2 * owned)
        series += owned
        logs += try await Int(node.up.storage.logs.statistics.acceptedRows)
        spans += try await Int(node.up.storage.spans.statistics.acceptedRows)
      }
      #expect((series, logs, spans) == (1_200, 900, 900))
    }
  }

  private func events(_ kind: Frame.Kind, rows: Int) throws -> EventBatch {
    var builder = EventBatchBuilder(kind: kind, tenant: .default)
    for row in 0..<rows {
      let stream = builder.stream(EventStream(scopeName: "scope \(row % 40)"))
      let time = now * 1_000_000 + Int64(row)
      let trace = TraceID(high: 7, low: UInt64(row / 3))
      if kind == .spans {
        builder.append(
          SpanRecord(
            traceID: trace, spanID: SpanID(UInt64(row + 1)), name: "call", startNanoseconds: time,
            endNanoseconds: time + 5), stream: stream)
      } else {
        builder.append(LogRecord(timeNanoseconds: time, body: .string("line \(row)")), stream: stream)
      }
    }
    let built = builder.build(batchID: Hash128(high: 3, low: UInt64(kind.rawValue)))
    return try #require(built)
  }

  @Test("are acknowledged while one node is down, known to be or not, and it gets them when it is back, the labels too")
  func oneDown() async throws {
    for isTold in [true, false] {
      try await WriteCluster.run(3) { cluster in
        try await cluster.stop(2, telling: isTold)
        for round in 0..<3 {
          let written = try WrittenSeries(0..<50, at: now - 3_000 + Int64(round) * 1_000)
          _ = try await cluster.sink().append(
            series: written.batch, definitions: round == 0 ? written.definitions : nil,
            redefine: Redefinition(holding: 0) { [written.definitions] })
        }
        try await cluster.settle()
        let waiting = try await cluster.nodes[0].up.writing.waiting(for: NodeID("n3"))
        #expect(waiting.hints == 3 && waiting.bytes > 0)
        try await cluster.nodes[2].start()
        try await cluster.meet()
        try await cluster.delivered(to: NodeID("n3"))
        let first = try await content(cluster, 0)
        #expect(first.count == 100)
        #expect(try await content(cluster, 2) == first)
        let families = try await cluster.nodes[0].up.writing.families()
        let delivered = families.first { $0.name == "needletail_cluster_hints_delivered_total" }
        #expect(delivered?.points.map(\.value) == [3])
        #expect(cluster.nodes[0].repairs.withLock { $0.isEmpty })
      }
    }
  }

  @Test(
    "fail with a time to come again after while two nodes are down, without hints, and a retry leaves no duplicates")
  func twoDown() async throws {
    try await WriteCluster.run(3) { cluster in
      try await cluster.stop(1)
      try await cluster.stop(2, telling: false)
      let written = try WrittenSeries(0..<50, at: now - 1_000)
      let events = try events(.logs, rows: 60)
      for _ in 0..<2 {
        let results = [
          await Result {
            try await cluster.sink().append(series: written.batch, definitions: written.definitions)
          },
          await Result { try await cluster.sink().append(events: events) },
        ]
        for result in results {
          guard case .failure(SinkError.unavailable(let reason, let seconds)) = result else {
            Issue.record("\(result)")
            continue
          }
          #expect(seconds >= 1 && reason.hasSuffix("; not there: n2; no answer in time, or a refusal: n3"), "\(reason)")
        }
      }
      let writing = try await cluster.nodes[0].up.writing
      #expect(await writing.coordinator.writes.count == 0)
      for name in ["n2", "n3"] { #expect(await writing.waiting(for: NodeID(name)).hints == 0) }
      for index in 1...2 { try await cluster.nodes[index].start() }
      try await cluster.meet()
      _ = try await cluster.sink().append(series: written.batch, definitions: written.definitions)
      _ = try await cluster.sink().append(events: events)
      try await cluster.settle()
      let first = try await content(cluster, 0)
      #expect(first.count == 100)
      for index in 0..<3 {
        #expect(try await content(cluster, index) == first)
        #expect(try await cluster.nodes[index].up.storage.logs.statistics.acceptedRows == 60)
      }
    }
  }

  @Test("are sent again with definitions to a node that does not know a series, and nobody else notices")
  func unknownSeries() async throws {
    try await WriteCluster.run(3) { cluster in
      let known = try WrittenSeries(0..<20, at: now - 2_000)
      for index in 0..<2 {
        let storage = try await cluster.nodes[index].up.storage
        let sink = StorageSink(series: storage.series, logs: storage.logs, spans: storage.spans)
        _ = try await sink.append(series: known.batch, definitions: known.definitions)
      }
      let written = try WrittenSeries(0..<20, at: now - 1_000)
      let asked = Shared(0)
      _ = try await cluster.sink().append(
        series: written.batch, definitions: nil,
        redefine: Redefinition(holding: 0) {
          asked.withLock { $0 += 1 }
          return [written.definitions]
        })
      try await cluster.settle()
      #expect(asked.withLock { $0 } == 1)
      #expect(try await content(cluster, 2).count == 40)
      #expect(try await cluster.nodes[2].up.writing.receiver.outcomes == [.unknownSeries: 1, .stored: 1])
      #expect(try await cluster.nodes[0].up.writing.waiting(for: NodeID("n3")).hints == 0)
    }
  }

  @Test("that a node missed are on the disk of who took them, and a restart delivers them")
  func restart() async throws {
    try await WriteCluster.run(3) { cluster in
      try await cluster.stop(2)
      let written = try WrittenSeries(0..<50, at: now - 1_000)
      _ = try await cluster.sink().append(series: written.batch, definitions: written.definitions)
      try await cluster.settle()
      try await cluster.stop(0)
      try await cluster.nodes[0].start()
      try await cluster.nodes[0].up.writing.open()
      #expect(try await cluster.nodes[0].up.writing.waiting(for: NodeID("n3")).hints == 1)
      try await cluster.nodes[2].start()
      try await cluster.meet()
      try await cluster.delivered(to: NodeID("n3"))
      #expect(try await content(cluster, 2).count == 100)
      // And not once more.
      try await cluster.stop(0)
      try await cluster.nodes[0].start()
      try await cluster.nodes[0].up.writing.open()
      #expect(try await cluster.nodes[0].up.writing.waiting(for: NodeID("n3")).hints == 0)
      #expect(try await cluster.nodes[2].up.writing.receiver.outcomes == [.stored: 1])
    }
  }

  @Test("that earlier runs kept are found with the first new one for the node, should nobody have opened them")
  func foundLate() async throws {
    try await WriteCluster.run(3) { cluster in
      try await cluster.stop(2)
      for round in 0..<2 {
        let written = try WrittenSeries(0..<50, at: now - 2_000 + Int64(round) * 1_000)
        _ = try await cluster.sink().append(series: written.batch, definitions: written.definitions)
        try await cluster.settle()
        let waiting = try await cluster.nodes[0].up.writing.waiting(for: NodeID("n3"))
        #expect(waiting.hints == round + 1)
        guard round == 0 else { continue }
        try await cluster.stop(0)
        try await cluster.nodes[0].start()
        try await cluster.meet()
        try await cluster.stop(2)
      }
      try await cluster.nodes[2].start()
      try await cluster.meet()
      try await cluster.delivered(to: NodeID("n3"))
      let first = try await content(cluster, 1)
      #expect(try await content(cluster, 2) == first)
      #expect(try await cluster.nodes[2].up.writing.receiver.outcomes == [.stored: 2])
    }
  }

  @Test("for a node that is removed are dropped and counted, and so is what was noted of it")
  func removed() async throws {
    try await WriteCluster.run(3) { cluster in
      try await cluster.stop(2)
      let written = try WrittenSeries(0..<50, at: now - 1_000)
      _ = try await cluster.sink().append(series: written.batch, definitions: written.definitions)
      try await cluster.settle()
      let node = NodeID("n3")
      let coordinator = try await cluster.nodes[0].up.writing.coordinator
      await coordinator.tell(node, HintNote([1, 2]))
      while await coordinator.note(of: node).isEmpty { await Task.yield() }
      await coordinator.heard(.removed(node))
      while await !coordinator.note(of: node).isEmpty { await Task.yield() }
      #expect(await coordinator.shelves[node]?.queue.counters.removed == 1)
      #expect(try await cluster.nodes[0].up.writing.waiting(for: node).hints == 0)
      _ = try await cluster.sink().append(
        series: try WrittenSeries(0..<5, at: now - 500).batch, definitions: nil)
      try await cluster.settle()
      #expect(try await cluster.nodes[0].up.writing.waiting(for: node).hints == 0)
    }
  }

  @Test("are acknowledged where the disk takes no hint, and what the node misses is told and noted")
  func fullDisk() async throws {
    try await WriteCluster.run(3) { cluster in
      try await cluster.stop(0)
      let disk = FaultyFileSystem(seed: 1)
      try disk.createDirectory("data")
      disk.setCapacity(3_000)
      var settings = WriteSettings.patient
      settings.hintLog.freeBytesMin = 0
      settings.retellAfter = 1_000_000
      try await cluster.nodes[0].start(settings, hints: ("data", disk))
      try await cluster.meet()
      try await cluster.stop(2)
      let written = try WrittenSeries(0..<50, at: now - 1_000)
      _ = try await cluster.sink().append(series: written.batch, definitions: written.definitions)
      try await cluster.settle()
      let node = NodeID("n3")
      let coordinator = try await cluster.nodes[0].up.writing.coordinator
      #expect(await coordinator.shelves[node]?.queue.counters.notStored == 1)
      let slots = Set(written.batch.slots(.standard)).sorted()
      #expect(cluster.nodes[0].repairs.withLock { $0[node] } == HintNote(slots))
      while await coordinator.note(of: node) != HintNote(slots) { await Task.yield() }
      // Whoever heard of it may not have compared: it is told twice more, once the node is there.
      let told = cluster.nodes[0].tellings.withLock { $0[node] ?? 0 }
      cluster.nodes[0].repairs.withLock { $0 = [:] }
      for _ in 0..<5 {
        try await Task.sleep(for: .nanoseconds(2 * settings.retellAfter))
        await coordinator.tick()
      }
      #expect(cluster.nodes[0].tellings.withLock { $0[node] } == told)
      try await cluster.nodes[2].start()
      try await cluster.meet()
      while cluster.nodes[0].tellings.withLock({ $0[node] ?? 0 }) < told + 2 { await Task.yield() }
      #expect(await coordinator.retellings.isEmpty)
      // Of one that holds nothing nothing is remembered, although it never comes.
      await coordinator.tellAgain(NodeID("n9"), HintNote([1]))
      while await !coordinator.retellings.isEmpty { await Task.yield() }
      #expect(cluster.nodes[0].tellings.withLock { $0[NodeID("n9")] } == nil)
      #expect(cluster.nodes[0].repairs.withLock { $0[node] } == HintNote(slots))
    }
  }

  @Test("of slots that have moved away meanwhile are settled, and nobody is told to miss them")
  func moved() async throws {
    try await WriteCluster.run(3) { cluster in
      try await cluster.stop(2)
      let written = try WrittenSeries(0..<50, at: now - 1_000)
      _ = try await cluster.sink().append(series: written.batch, definitions: written.definitions)
      try await cluster.settle()
      let node = NodeID("n3")
      #expect(try await cluster.nodes[0].up.writing.waiting(for: node).hints == 1)
      let ring = HashRing(["n1", "n2"].map { RingMember(NodeID($0)) })
      let later = WriteCluster(
        nodes: cluster.nodes,
        layout: ClusterLayout(
          epoch: 2, assignment: SlotAssignment(ring, replicaCount: 2), writeLevel: .quorum))
      try await cluster.nodes[2].start()
      try await later.meet()
      try await later.delivered(to: node)
      let counters = try #require(await cluster.nodes[0].up.writing.coordinator.shelves[node]?.queue.counters)
      #expect(counters.superseded == 1 && counters.refused == 0 && counters.delivered == 0)
      #expect(cluster.nodes[0].repairs.withLock { $0[node] } == nil)
      #expect(try await cluster.nodes[2].up.storage.series.statistics.samplesAppended == 0)
    }
  }

  @Test("of which all is too old are refused at once, and of which some is are stored but for that")
  func tooOld() async throws {
    try await WriteCluster.run(3) { cluster in
      let old = try WrittenSeries(0..<10, at: 1_000)
      let result = await Result {
        try await cluster.sink().append(series: old.batch, definitions: old.definitions)
      }
      guard case .failure(SinkError.outOfRetention) = result else {
        Issue.record("\(result)")
        return
      }
      #expect(try await cluster.nodes[0].up.writing.coordinator.writes.counters.begun == 0)
      var builder = SeriesBatchBuilder()
      var defining = SeriesDefinitionsBuilder()
      for number in 0..<30 {
        let labels = LabelSet([Label(LabelSet.nameLabel, "requests"), Label("number", "\(number)")])
        let id = SeriesID(labels, tenant: .default)
        defining.append(id, labels: labels)
        builder.beginSeries(id)
        builder.append(timestamp: number < 10 ? 1_000 : now - 500, valueBits: 1)
      }
      let batch = builder.build(tenant: .default, batchID: Hash128(high: 9, low: 9))
      let definitions = defining.build(tenant: .default)
      let outcome = try await cluster.sink().append(series: try #require(batch), definitions: definitions)
      #expect(outcome == SinkOutcome(tooOld: 10))
      try await cluster.settle()
      for index in 0..<3 { #expect(try await content(cluster, index).count == 40) }
    }
  }

  @Test("that are sent twice at once are one write, and both callers hear of it")
  func twiceAtOnce() async throws {
    try await WriteCluster.run(3) { cluster in
      let written = try WrittenSeries(0..<50, at: now - 1_000)
      let sink = try await cluster.sink()
      try await withThrowingTaskGroup(of: SinkOutcome.self) { group in
        for _ in 0..<8 {
          group.addTask { try await sink.append(series: written.batch, definitions: written.definitions) }
        }
        for try await outcome in group { #expect(outcome == SinkOutcome()) }
      }
      try await cluster.settle()
      #expect(try await content(cluster, 2).count == 100)
    }
  }

  @Test("of descriptions are for the replicas of their metrics' slots, and not made anew with each request")
  func descriptions() async throws {
    try await WriteCluster.run(5) { cluster in
      let names = (0..<40).map { "metric_\($0)" }
      let description = MetricMetadata(kind: .counter, help: "how many")
      func append(_ number: Int, _ names: [String]) async throws -> Int {
        let written = try WrittenSeries(0..<1, at: now - 1_000 + Int64(number))
        var builder = SeriesDefinitionsBuilder()
        builder.append(
          SeriesID(LabelSet([Label(LabelSet.nameLabel, "requests"), Label("number", "0")]), tenant: .default),
          labels: LabelSet([Label(LabelSet.nameLabel, "requests"), Label("number", "0")]))
        for name in names { builder.append(metric: name, description) }
        _ = try await cluster.sink().append(series: written.batch, definitions: builder.build(tenant: .default))
        try await cluster.settle()
        return try await cluster.nodes[0].up.writing.coordinator.writes.counters.acknowledged
      }
      #expect(try await append(0, names) == 2)
      let assignment = cluster.layout.assignment
      for name in names {
        let slot = assignment.slots.slot(of: MetricMetadata.key(of: name, tenant: .default))
        for node in cluster.nodes where assignment.replicas(of: slot).contains(node.id) {
          let known = try await node.up.storage.series.metadata(tenant: .default, metric: name)
          #expect(known.map(\.metadata) == [description], "\(name) on \(node.id)")
        }
      }
      #expect(try await append(1, names) == 3)
      #expect(try await append(2, Array(names.prefix(5))) == 4)
      #expect(try await append(3, names + ["metric_40"]) == 6)
    }
  }

  @Test("wait for a cluster where there is none yet, and definitions alone make series known everywhere")
  func definitionsAlone() async throws {
    try await WriteCluster.run(3) { cluster in
      let loner = try WriteNode(NodeID("alone"))
      try await loner.start()
      let written = try WrittenSeries(0..<10, at: now - 1_000)
      await #expect(throws: SinkError.unavailable(reason: "the node has not joined a cluster yet")) {
        try await loner.up.writing.sink.append(series: written.batch, definitions: written.definitions)
      }
      await loner.stop()
      try await cluster.sink().append(definitions: written.definitions)
      var metadata = SeriesDefinitionsBuilder()
      metadata.append(metric: "requests", MetricMetadata(kind: .counter, help: "how many"))
      let built = metadata.build(tenant: .default)
      try await cluster.sink().append(definitions: try #require(built))
      try await cluster.settle()
      for node in cluster.nodes {
        #expect(try await node.up.storage.series.statistics.knownSeries == 10)
      }
      _ = try await cluster.sink().append(series: written.batch, definitions: nil)
      try await cluster.settle()
      #expect(try await cluster.nodes[0].up.writing.coordinator.writes.counters.retries == 0)
    }
  }
}
