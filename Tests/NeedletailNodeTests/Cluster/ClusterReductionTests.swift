import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailQueryGenerator
import NeedletailSeries
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Nodes reduce what they hold for a query of another one")
struct ClusterReductionTests {
  private static func asked(_ cluster: ReadCluster) -> (data: Int, reduced: Int) {
    cluster.nodes.reduce((0, 0)) { sum, node in
      let asked = node.asked.withLock { $0 }
      return (sum.0 + asked.data, sum.1 + asked.reduced)
    }
  }

  /// The bytes that all nodes told since they were last asked for.
  private static func takeTold(_ cluster: ReadCluster) -> Int {
    cluster.nodes.reduce(0) { sum, node in
      sum
        + node.told.withLock { told in
          defer { told = 0 }
          return told
        }
    }
  }

  @Test("a sum over many series moves a fraction of the bytes that the rows are, and counts what others read")
  func bytes() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(600)
      for expression in ["sum(m)", "sum by (job) (rate(m[5m]))", "max without (i) (max_over_time(m[2m]))"] {
        let source = cluster.nodes[0].source().source
        let found = await ReadAnswer(expression, source)
        let reduced = Self.takeTold(cluster)
        #expect(Self.asked(cluster).data == 0 && Self.asked(cluster).reduced > 0)
        let rows = await ReadAnswer(expression, SamplesOnly(source: source))
        let told = Self.takeTold(cluster)
        for node in cluster.nodes { node.asked.withLock { $0 = (0, 0, 0) } }
        #expect(reduced > 0 && reduced * 20 < told, "\(expression): \(reduced) in place of \(told)")
        let wanted = await ReadAnswer(expression, cluster.single.reads.series)
        found.expectSame(as: wanted, expression)
        rows.expectSame(as: wanted, expression)
        #expect(found.isComplete)
        #expect(found.statistics.seriesRead == wanted.statistics.seriesRead)
        // What stands for samples is taken where no replicas are united.
        #expect(found.statistics.samplesRead >= wanted.statistics.samplesRead / 2)
        #expect(found.statistics.samplesRead <= rows.statistics.samplesRead)
      }
      #expect(cluster.nodes[0].reads.counters.snapshot.reductions > 0)
    }
  }

  @Test("one replica is enough to reduce, and one that is away leaves the answer partial", arguments: [3, 5])
  func oneReplica(count: Int) async throws {
    try await ReadCluster.run(nodes: count, replicas: 1) { cluster in
      try await cluster.appendSome(60)
      try await cluster.expectSame(0)
      cluster.cut(2)
      let denied = await ReadAnswer("sum(m)", cluster.nodes[0].source().source)
      #expect(denied.texts.first?.contains("node-2") == true && !denied.isComplete)
      let (partial, told) = cluster.nodes[0].source(ReadOptions(partial: .allow))
      let found = await ReadAnswer("count(m)", partial)
      #expect(!found.isComplete && told.coverage?.isPartial == true)
      let counted = cluster.nodes[0].reads.counters.snapshot
      #expect(counted.reductions > 0 && counted.unions == 0)
    }
  }

  @Test("where replicas differ the rows of their groups are read, and the answer is what they have together")
  func different() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(60) { node, series, sample in (series + sample) % 5 != node }
      for reader in 0..<5 { try await cluster.expectSame(reader) }
      #expect(Self.asked(cluster).data > 0 && Self.asked(cluster).reduced > 0)
      #expect(cluster.nodes[0].reads.counters.snapshot.unions > 0)
    }
  }

  @Test("a node that is down, or has no vote, is done without")
  func away() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(60)
      cluster.nodes[3].replicas.unready.withLock { $0 = SlotSet(0..<1024) }
      for reader in [2, 3, 4] { try await cluster.expectSame(reader) }
      cluster.nodes[3].replicas.unready.withLock { $0 = [] }
      cluster.cut(1)
      try await cluster.expectSame(0)
      #expect(Self.asked(cluster).reduced > 0)
    }
  }

  @Test("what breaks off, or cannot be read, fails the query with the node's name, and the next one asks others first")
  func broken() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(60)
      let garbage: [ReadNode.Behaviour] = [.breaks, .garbles([]), .garbles([[1]]), .garbles([[1, 9]]), .garbles([[]])]
      for (round, behaviour) in garbage.enumerated() {
        for node in cluster.nodes.dropFirst() { node.behaviour.withLock { $0 = behaviour } }
        let before = cluster.nodes[0].reads.counters.snapshot.broken
        let found = await ReadAnswer("sum(m)", cluster.nodes[0].source().source)
        #expect(found.texts.first?.hasPrefix("node node-") == true, "\(round): \(found.texts)")
        #expect(cluster.nodes[0].reads.counters.snapshot.broken > before)
      }
      for node in cluster.nodes { node.behaviour.withLock { $0 = .well } }
      try await cluster.expectSame(0)
    }
  }

  @Test("a node that is slow is not waited for: another one reduces in its place")
  func hedged() async throws {
    let (alarm, clock) = (TestAlarm(), ManualClock())
    try await ReadCluster.run(nodes: 5, alarm: alarm.alarm, clock: clock) { cluster in
      try await cluster.appendSome(60)
      let gate = ReadNode.Gate()
      defer { gate.open() }
      cluster.nodes[1].behaviour.withLock { $0 = .slow(gate) }
      // It looks as if it were the fastest.
      for node in 2..<5 { cluster.nodes[0].reads.times.answered(cluster.nodes[node].name, after: 1_000_000_000) }
      cluster.nodes[0].reads.times.answered(cluster.nodes[1].name, after: 1)
      let source = cluster.nodes[0].source().source
      async let answer = ReadAnswer("sum by (job) (m)", source)
      await alarm.fire(clock)
      await answer.expectSame(as: await ReadAnswer("sum by (job) (m)", cluster.single.reads.series), "hedged")
      #expect(cluster.nodes[0].reads.counters.snapshot.hedges > 0)
    }
  }

  @Test("what is read elsewhere counts against the query's limits")
  func limits() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(200)
      for limits in [QueryLimits(samples: 4000), QueryLimits(series: 100), QueryLimits(samples: 100)] {
        let found = await ReadAnswer("sum(m)", cluster.nodes[0].source().source, limits: limits)
        #expect(found.texts.count == 1 && !found.isComplete, "\(found.texts)")
        let rows = await ReadAnswer("sum(m)", cluster.single.reads.series, limits: limits)
        #expect(rows.texts.count == 1)
      }
    }
  }

  @Test("what cannot be reduced apart is read as rows: sums that are not finite, and states larger than what was read")
  func unfit() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      for series in 0..<160 {
        let labels = LabelSet(["__name__": "odd", "i": "\(series)"])
        try await cluster.append(labels, [(ReadCluster.start + 1000, series % 8 == 0 ? .infinity : 1)])
      }
      func ask(_ expression: String, step: Int64 = 60_000) async -> UInt64 {
        let before = cluster.nodes[0].reads.counters.snapshot.reductionsUnfit
        let found = await ReadAnswer(expression, cluster.nodes[0].source().source, step: step)
        found.expectSame(
          as: await ReadAnswer(expression, cluster.single.reads.series, step: step), expression)
        return cluster.nodes[0].reads.counters.snapshot.reductionsUnfit - before
      }
      // The first reads twice: what is not finite shows when all is added up, and not at the nodes.
      #expect(await ask("sum(odd)") == 0)
      #expect(await ask("max(odd)") == 0)
      #expect(await ask("max(avg by (i) (odd))", step: 60) > 0)
    }
  }

  @Test("generated aggregations come out as from one engine, and as from rows", arguments: 1...6)
  func generated(seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let (count, replicas) = (Int.random(in: 3...5, using: &random), Int.random(in: 1...3, using: &random))
    let lacks = replicas == 3 && Bool.random(using: &random)
    let anchor = Double(ReadCluster.start + 300_000) / 1000
    let vocabulary = QueryVocabulary.shop(anchors: ["\(anchor)", "\(anchor + 100.5)"])
    let series = ShopSeries.of(vocabulary, from: ReadCluster.start - 600_000, count: 80, &random)
    let lacking = series.map { $0.samples.map { _ in lacks ? Int.random(in: 0..<40, using: &random) : .max } }
    let flushes = (0..<count).map { _ in Bool.random(using: &random) }
    try await ReadCluster.run(nodes: count, replicas: replicas) { cluster in
      for (number, one) in series.enumerated() {
        let labels = LabelSet(one.labels.map { Label($0.key, $0.value) })
        // Each sample lacks on at most one of its replicas.
        try await cluster.append(labels, one.samples) { node, sample in lacking[number][sample] != node }
      }
      for (node, isFlushed) in zip(cluster.nodes, flushes) where isFlushed { try node.flush() }
      var generator = ExpressionGenerator(vocabulary, .shared, seed: UInt64(seed))
      for number in 0..<40 {
        let text = number % 4 == 0 ? generator.next(depth: 3) : generator.reduction()
        let comment = "seed \(seed), \(count) nodes, \(replicas) replicas, lacks \(lacks): \(text)"
        let source = cluster.nodes[number % count].source().source
        let (start, step) = (ReadCluster.start + 500, Int64(75_000))
        let wanted = await ReadAnswer(text, cluster.single.reads.series, start: start, step: step)
        await ReadAnswer(text, source, start: start, step: step).expectSame(as: wanted, comment)
        await ReadAnswer(text, SamplesOnly(source: source), start: start, step: step).expectSame(
          as: wanted, "rows " + comment)
      }
      #expect(count == replicas || Self.asked(cluster).reduced > 0)
    }
  }
}
