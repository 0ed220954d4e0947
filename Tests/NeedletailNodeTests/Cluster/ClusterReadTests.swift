import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Reads over a cluster of real nodes")
struct ClusterReadTests {
  private static let all = Set(0..<1024 as Range<UInt16>)

  @Test("where replicas are equal the answer is that of one engine, and only the node that was asked reads data")
  func equal() async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome()
      try cluster.nodes[1].flush()
      try await cluster.expectSame(0)
      let asked = cluster.nodes.map { node in node.asked.withLock { $0 } }
      #expect(asked.map(\.data) == [0, 0, 0])
      #expect(asked[0].digests == 0 && asked[1].digests + asked[2].digests > 0)
      #expect(cluster.nodes[0].replicas.urged.withLock { $0.isEmpty })
      let counted = cluster.nodes[0].reads.counters.snapshot
      #expect(counted.unions == 0 && counted.partial == 0 && counted.failedAsks == 0)
    }
  }

  @Test("where replicas differ the answer is what they have together, and they are compared out of turn")
  func different() async throws {
    try await ReadCluster.run { cluster in
      // Each sample is on two of three, as acknowledged ones are.
      try await cluster.appendSome { node, series, sample in (series + sample) % 3 != node }
      try await cluster.expectSame(0)
      let urged = cluster.nodes[0].replicas.urged.withLock { $0 }
      #expect(!urged.isEmpty && urged.allSatisfy { $0.node != cluster.nodes[0].name && !$0.slots.isEmpty })
      #expect(cluster.nodes[0].reads.counters.snapshot.unions > 0)
    }
  }

  @Test("replicas of others that differ are compared too: the one that has less is asked to do so")
  func differentElsewhere() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(60) { node, series, sample in (series + sample) % 5 != node }
      try await cluster.expectSame(0)
      let layout = try #require(cluster.nodes[0].view.layout)
      let own = cluster.nodes[0].name
      let elsewhere = {
        cluster.nodes.dropFirst().contains { node in
          let urged = node.replicas.urged.withLock { $0 }
          return urged.contains { asked in
            asked.node != own && asked.slots.allSatisfy { !layout.readers(of: $0).contains(own) }
          }
        }
      }
      for _ in 0..<6000 where !elsewhere() { try await Task.sleep(for: .milliseconds(10)) }
      #expect(elsewhere())
    }
  }

  @Test("a node that is down is done without, two are not, unless less than all is wanted")
  func down() async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome { node, series, sample in (series + sample) % 3 != node }
      cluster.cut(2)
      let (source, question) = cluster.nodes[0].source()
      let expected = try await ReadCluster.answer("sum(m)", cluster.single.reads.series)
      #expect(try await ReadCluster.answer("sum(m)", source).text == expected.text)
      let hour = ReadCluster.start / 3_600_000
      #expect(
        question.coverage?.text == "slots=1024/1024 replicas=2/3 partial=false windows=\(hour - 1)..\(hour)")
      let all = cluster.nodes[0].source(ReadOptions(consistency: .all)).source
      await Self.expectUnavailable("node-2") { _ = try await ReadCluster.answer("sum(m)", all) }
      cluster.cut(1)
      await Self.expectUnavailable("1024 of 1024 slots: 0-1023", "node-1") {
        _ = try await ReadCluster.answer("sum(m)", cluster.nodes[0].source().source)
      }
      let (partial, told) = cluster.nodes[0].source(ReadOptions(partial: .allow))
      let answer = try await ReadCluster.answer("sum(m)", partial)
      #expect(!answer.text.isEmpty && !answer.coverage.isComplete && answer.coverage.slotsAnswered == 0)
      #expect(answer.coverage.failures.first?.contains("too few ready replicas") == true)
      #expect(told.coverage?.text.contains("slots=0/1024 replicas=1/3 partial=true") == true)
      let (one, alone) = cluster.nodes[0].source(ReadOptions(consistency: .one))
      #expect(try await ReadCluster.answer("sum(m)", one).coverage.isComplete)
      #expect(alone.coverage?.agreed == 1)
    }
  }

  private static func expectUnavailable(_ texts: String..., body: () async throws -> Void) async {
    let result = await Result { try await body() }
    guard case .failure(let error as QueryError) = result, error.kind == .unavailable else {
      Issue.record("\(result)")
      return
    }
    for text in texts { #expect(error.message.contains(text), "\(error.message)") }
  }

  @Test("a node that knows another layout answers nothing, and the reader begins once more by the newer one")
  func layouts() async throws {
    let heard = Lock<[String]>([])
    try await ReadCluster.run(heard: { own, epoch, node in heard.withLock { $0.append("\(own) \(epoch) \(node)") } }) {
      cluster in
      try await cluster.appendSome()
      let newer = ClusterLayout(epoch: 2, assignment: cluster.layout.assignment, writeLevel: .quorum)
      for node in [1, 2] { cluster.nodes[node].view.take(newer) }
      await Self.expectUnavailable("it knows a newer layout", "node-1", "node-2") {
        _ = try await ReadCluster.answer("m", cluster.nodes[0].source().source)
      }
      #expect(heard.withLock { Set($0) } == ["node-0 2 node-1", "node-0 2 node-2"])
      // It learns of it while it waits; others learn of it from the reader.
      await Self.expectUnavailable("it knows an older layout") {
        let all = cluster.nodes[1].source(ReadOptions(consistency: .all)).source
        _ = try await ReadCluster.answer("m", all)
      }
      #expect(heard.withLock { $0.contains("node-0 2 node-1") })
      heard.withLock { $0 = [] }
      let source = cluster.nodes[0].source().source
      async let answer = ReadCluster.answer("m", source)
      while heard.withLock({ $0.isEmpty }) { await Task.yield() }
      cluster.nodes[0].view.take(newer)
      #expect(try await answer.text == ReadCluster.answer("m", cluster.single.reads.series).text)
    }
  }

  @Test("all replicas can be asked to agree")
  func consistencyAll() async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome()
      let (source, question) = cluster.nodes[1].source(ReadOptions(consistency: .all))
      let expected = try await ReadCluster.answer("m", cluster.single.reads.series)
      #expect(try await ReadCluster.answer("m", source).text == expected.text)
      #expect(question.coverage?.agreed == 3)
    }
  }

  @Test("a replica that is not ready has no vote: what it lacks comes from two others")
  func unready() async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome { node, _, _ in node != 0 }
      // It says so, and whom it asks cannot know it before.
      cluster.nodes[0].replicas.unready.withLock { $0 = SlotSet(Self.all) }
      for reader in 0..<3 { try await cluster.expectSame(reader) }
      cluster.cut(1)
      await Self.expectUnavailable("node-1") {
        _ = try await ReadCluster.answer("m", cluster.nodes[2].source().source)
      }
    }
  }

  @Test(
    "what is found damaged after a replica had its vote, and before its data was opened, is not left out in silence")
  func damagedBetween() async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome()
      // Whoever reads asks itself for the groups, before and after its digest, and once its data is open.
      cluster.nodes[0].replicas.damagedAfter.withLock { $0 = 4 }
      await Self.expectUnavailable("node node-0 just found something of its own damaged") {
        _ = try await ReadCluster.answer("m", cluster.nodes[0].source().source)
      }
      cluster.nodes[0].replicas.damagedAfter.withLock { $0 = .max }
      // Others are asked before and after their digests: one without what was damaged is no vote.
      for node in [1, 2] { cluster.nodes[node].replicas.damagedAfter.withLock { $0 = 2 } }
      await Self.expectUnavailable("1024 of 1024 slots", "node-1", "node-2") {
        _ = try await ReadCluster.answer("m", cluster.nodes[0].source().source)
      }
    }
  }

  @Test(
    "what another node finds damaged after it made its digest, and before it tells its rows, it does not tell at all")
  func damagedElsewhere() async throws {
    // Nobody is hedged: who is asked twice finds the damage at another place.
    try await ReadCluster.run(nodes: 5, alarm: TestAlarm().alarm) { cluster in
      try await cluster.appendSome()
      // Others have the same digest, so that its vote alone would not show it.
      for node in cluster.nodes.dropFirst() { node.replicas.damagedAfter.withLock { $0 = 3 } }
      await Self.expectUnavailable("just found something of its own damaged") {
        _ = try await ReadCluster.answer("m", cluster.nodes[0].source().source)
      }
    }
  }

  @Test("a node that is slow is not waited for: another one is asked in its place")
  func hedged() async throws {
    let (alarm, clock) = (TestAlarm(), ManualClock())
    try await ReadCluster.run(alarm: alarm.alarm, clock: clock) { cluster in
      try await cluster.appendSome()
      let gate = ReadNode.Gate()
      defer { gate.open() }
      // Whichever of the two others is asked first; the other one answers.
      for slow in [1, 2] {
        for node in [1, 2] { cluster.nodes[node].behaviour.withLock { $0 = node == slow ? .slow(gate) : .well } }
        cluster.nodes[0].reads.times.forget(cluster.nodes[slow].name)
        // It looks as if it were the fastest.
        cluster.nodes[0].reads.times.answered(cluster.nodes[3 - slow].name, after: 1_000_000_000)
        cluster.nodes[0].reads.times.answered(cluster.nodes[slow].name, after: 1)
        let source = cluster.nodes[0].source().source
        async let answer = ReadCluster.answer("m", source)
        await alarm.fire(clock)
        #expect(try await answer.text == ReadCluster.answer("m", cluster.single.reads.series).text)
      }
      #expect(cluster.nodes[0].reads.counters.snapshot.hedges >= 2)
    }
  }

  @Test("what a node says that cannot be read is an error that names it, and others are asked instead")
  func malformed() async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome()
      let other = ReadMessage.Response(
        read: 1, ask: 0, epoch: 1, answer: QuorumRead.Answer(windows: 0...0, digests: [:]), data: [])
      let answers: [[[UInt8]]] = [
        [], [[1, 2, 3]], [[UInt8](repeating: 3, count: 40)], [ReadMessage.response(other).bytes],
      ]
      for answer in answers {
        cluster.nodes[1].behaviour.withLock { $0 = .says(answer) }
        try await cluster.expectSame(0)
        cluster.nodes[2].behaviour.withLock { $0 = .says(answer) }
        await Self.expectUnavailable("node-1: answered with what cannot be read", "node-2: answered") {
          _ = try await ReadCluster.answer("m", cluster.nodes[0].source().source)
        }
        cluster.nodes[2].behaviour.withLock { $0 = .well }
      }
    }
  }

  @Test("data that breaks off fails the query with the node's name, and the next one asks others first")
  func broken() async throws {
    try await ReadCluster.run { cluster in
      // What is read of this node is nothing.
      try await cluster.appendSome { node, _, _ in node != 0 }
      cluster.nodes[0].replicas.unready.withLock { $0 = SlotSet(Self.all) }
      cluster.nodes[0].reads.times.answered(cluster.nodes[1].name, after: 1)
      cluster.nodes[0].reads.times.answered(cluster.nodes[2].name, after: 1_000_000_000)
      cluster.nodes[1].behaviour.withLock { $0 = .breaks }
      let result = await Result { try await ReadCluster.answer("m", cluster.nodes[0].source().source).text }
      guard case .failure(let error as QueryError) = result else {
        Issue.record("\(result)")
        return
      }
      #expect(error.message.contains("node-1") && error.message.contains("the disk is gone"))
      #expect(cluster.nodes[0].reads.counters.snapshot.broken == 1)
      try await cluster.expectSame(0)
    }
  }

  @Test("five nodes with three replicas answer as one engine does", arguments: 1...4)
  func five(seed: Int) async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      var generator = SeededGenerator(seed: UInt64(seed))
      // Each sample lacks on at most one of its replicas.
      let without = (0..<40).map { _ in (0..<40).map { _ in Int.random(in: 0..<6, using: &generator) } }
      try await cluster.appendSome(40) { node, series, sample in without[series][sample] != node }
      for node in cluster.nodes where Bool.random(using: &generator) { try node.flush() }
      for reader in 0..<5 { try await cluster.expectSame(reader, ReadOptions(), "seed \(seed), reader \(reader)") }
    }
  }

  @Test("lists are those of one engine, whoever is asked, and say what they lack")
  func lists() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome { node, series, _ in series % 5 != node }
      let exemplar = Exemplar(timestampMilliseconds: ReadCluster.start, value: 1, labels: LabelSet(["trace": "t"]))
      let labels = LabelSet(["__name__": "with", "x": "y"])
      try await cluster.append(labels, [(ReadCluster.start, 1)], exemplar: exemplar)
      let scope = MetadataScope(tenant: .default)
      let single = cluster.single.reads.series
      for reader in 0..<5 {
        let source = cluster.nodes[reader].source().source
        #expect(
          try await source.labelNames(scope, limit: 100).elements == single.labelNames(scope, limit: 100).elements)
        #expect(
          try await source.labelValues("i", scope, limit: 7).elements
            == single.labelValues("i", scope, limit: 7).elements)
        #expect(try await source.series(scope, limit: 100).elements == single.series(scope, limit: 100).elements)
        #expect(try await source.metadata(tenant: .default, metric: nil, limit: 10).isEmpty)
        let found = try await source.exemplars(tenant: .default, [], .all, limit: 10)
        #expect(found.elements.map(\.labels) == [labels] && found.elements.map(\.exemplar) == [exemplar])
        #expect(found.coverage.isComplete)
      }
      cluster.cut(1)
      cluster.cut(2)
      await Self.expectUnavailable("node-1", "node-2") {
        _ = try await cluster.nodes[0].source().source.labelNames(scope, limit: 10)
      }
      let partial = cluster.nodes[0].source(ReadOptions(partial: .allow)).source
      #expect(try await !partial.series(scope, limit: 100).coverage.isComplete)
    }
  }
}
