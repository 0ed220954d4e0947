import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailQueryGenerator
import NeedletailSeries
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Nodes work out functions over ranges for a query of another one")
struct ClusterDerivationTests {
  private static let expressions = [
    "rate(m[5m])", "m", "topk(3, rate(m[5m]))", "max_over_time(m[10m])", "sum by (job) (topk(5, rate(m[2m])))",
    "rate(m[5m]) / on (i) group_left () count_over_time(m[5m])", "max_over_time(rate(m[2m])[4m:1m])",
    "quantile_over_time(0.3, m[3m])", "histogram_quantile(0.9, rate(m[5m]))", "rate({job=~\"j[12]\"}[5m]) > 1",
    "increase(m[5m]) and on (job) m{i=\"1\"}", "absent_over_time(m{i=\"0\"}[1m])", "sort_desc(delta(m[3m]))",
  ]

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

  private static func asked(_ cluster: ReadCluster) -> (data: Int, reduced: Int) {
    cluster.nodes.reduce((0, 0)) { sum, node in
      let asked = node.asked.withLock { $0 }
      return (sum.0 + asked.data, sum.1 + asked.reduced)
    }
  }

  /// Expects the answers of a node to be those of the single engine, and those that come of rows, to the last bit.
  private static func expectEqual(_ cluster: ReadCluster, _ node: Int, _ comment: String = "") async {
    for expression in expressions {
      let source = cluster.nodes[node].source().source
      let found = await ReadAnswer(expression, source)
      found.expectEqual(to: await ReadAnswer(expression, cluster.single.reads.series), "\(expression) \(comment)")
      let rows = await ReadAnswer(expression, SamplesOnly(source: source))
      found.expectEqual(to: rows, "rows: \(expression) \(comment)")
    }
  }

  @Test("steps far apart move a fraction of the bytes that the samples are, and close ones no more than these")
  func bytes() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(400)
      for (step, least) in [(Int64(600_000), 4.0), (300_000, 4), (60_000, 2), (15_000, 1), (10_000, 1), (5000, 1)] {
        for expression in ["topk(3, rate(m[5m]))", "sort(m)"] {
          let source = cluster.nodes[0].source().source
          _ = Self.takeTold(cluster)
          let found = await ReadAnswer(expression, source, step: step)
          let derived = Self.takeTold(cluster)
          let rows = await ReadAnswer(expression, SamplesOnly(source: source), step: step)
          let told = Self.takeTold(cluster)
          found.expectEqual(to: rows, "\(expression) each \(step)")
          found.expectEqual(
            to: await ReadAnswer(expression, cluster.single.reads.series, step: step), "\(expression) each \(step)")
          #expect(
            derived > 0 && Double(derived) * least <= Double(told) * 1.01,
            "\(expression) each \(step): \(derived) of \(told)")
          #expect(found.isComplete && found.statistics.samplesRead <= rows.statistics.samplesRead)
          if expression.hasPrefix("sort") { #expect(found.statistics.samplesRead == rows.statistics.samplesRead) }
        }
      }
      #expect(cluster.nodes[0].reads.counters.snapshot.derived > 0)
    }
  }

  @Test(
    "answers are those of one engine, to the last bit, however many hold a slot",
    arguments: [(3, 1), (5, 3), (4, 2), (3, 3)])
  func equal(nodes: Int, replicas: Int) async throws {
    try await ReadCluster.run(nodes: nodes, replicas: replicas) { cluster in
      try await cluster.appendSome(60)
      await Self.expectEqual(cluster, 1)
      let derived = cluster.nodes.reduce(0) { $0 + $1.reads.counters.snapshot.derived }
      // Who holds all works it out itself.
      #expect(nodes == replicas ? derived == 0 : derived > 0)
    }
  }

  @Test("where replicas differ the samples of their groups are read, and the answer is what they have together")
  func different() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(60) { node, series, sample in (series + sample) % 5 != node }
      await Self.expectEqual(cluster, 0)
      #expect(Self.asked(cluster).data > 0 && Self.asked(cluster).reduced > 0)
      #expect(cluster.nodes[0].reads.counters.snapshot.unions > 0)
    }
  }

  @Test("some groups of slots are worked out and others differ")
  func mixed() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(80) { node, series, sample in series != 7 || sample % 2 == 0 || node < 4 }
      await Self.expectEqual(cluster, 0)
      #expect(cluster.nodes[0].reads.counters.snapshot.derived > 0)
    }
  }

  @Test("a node that is down, or has no vote, is done without")
  func away() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(60)
      cluster.nodes[3].replicas.unready.withLock { $0 = SlotSet(0..<1024) }
      await Self.expectEqual(cluster, 3)
      cluster.nodes[3].replicas.unready.withLock { $0 = [] }
      cluster.cut(1)
      await Self.expectEqual(cluster, 0)
      #expect(Self.asked(cluster).reduced > 0)
    }
  }

  @Test("with one replica, one that is away leaves the answer partial")
  func partial() async throws {
    try await ReadCluster.run(nodes: 3, replicas: 1) { cluster in
      try await cluster.appendSome(60)
      cluster.cut(2)
      let denied = await ReadAnswer("rate(m[5m])", cluster.nodes[0].source().source)
      #expect(denied.texts.first?.contains("node-2") == true && !denied.isComplete)
      let (partial, told) = cluster.nodes[0].source(ReadOptions(partial: .allow))
      let found = await ReadAnswer("rate(m[5m])", partial)
      #expect(!found.isComplete && told.coverage?.isPartial == true)
    }
  }

  @Test("what breaks off, or cannot be read, fails the query with the node's name, and the next one asks others first")
  func broken() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(60)
      let garbage: [ReadNode.Behaviour] = [
        .breaks, .garbles([]), .garbles([[1]]), .garbles([[1, 6]]), .garbles([[1, 7, 0, 0]]), .garbles([[]]),
      ]
      for (round, behaviour) in garbage.enumerated() {
        for node in cluster.nodes.dropFirst() { node.behaviour.withLock { $0 = behaviour } }
        let before = cluster.nodes[0].reads.counters.snapshot.broken
        let found = await ReadAnswer("rate(m[5m])", cluster.nodes[0].source().source)
        #expect(found.texts.first?.hasPrefix("node node-") == true, "\(round): \(found.texts)")
        #expect(cluster.nodes[0].reads.counters.snapshot.broken > before)
      }
      for node in cluster.nodes { node.behaviour.withLock { $0 = .well } }
      await Self.expectEqual(cluster, 0)
    }
  }

  @Test("a node that hangs is not waited for: another one works it out in its place")
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
      async let answer = ReadAnswer("topk(3, rate(m[5m]))", source)
      await alarm.fire(clock)
      await answer.expectEqual(
        to: await ReadAnswer("topk(3, rate(m[5m]))", cluster.single.reads.series), "hedged")
      #expect(cluster.nodes[0].reads.counters.snapshot.hedges > 0)
    }
  }

  @Test("what is read elsewhere counts against the query's limits")
  func limits() async throws {
    try await ReadCluster.run(nodes: 5) { cluster in
      try await cluster.appendSome(200)
      for limits in [QueryLimits(samples: 4000), QueryLimits(series: 100), QueryLimits(samples: 100)] {
        let found = await ReadAnswer("rate(m[5m])", cluster.nodes[0].source().source, limits: limits, step: 300_000)
        #expect(found.texts.count == 1 && !found.isComplete, "\(found.texts)")
        let rows = await ReadAnswer("rate(m[5m])", cluster.single.reads.series, limits: limits, step: 300_000)
        #expect(rows.texts.count == 1)
      }
    }
  }

  // Seeds of which some expression is worked out elsewhere, where the node does not hold all.
  @Test("generated expressions come out as from one engine, and as from samples", arguments: 1...5)
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
      for number in 0..<20 {
        let text = generator.next(depth: 3)
        let comment = "seed \(seed), \(count) nodes, \(replicas) replicas, lacks \(lacks): \(text)"
        let source = cluster.nodes[number % count].source().source
        let (start, step) = (ReadCluster.start + 500, Int64(75_000))
        // Sums that nodes add up are sums in another order.
        let found = await ReadAnswer(text, source, start: start, step: step)
        found.expectSame(as: await ReadAnswer(text, cluster.single.reads.series, start: start, step: step), comment)
        let derived = await ReadAnswer(text, DerivationsOnly(source: source), start: start, step: step)
        derived.expectEqual(
          to: await ReadAnswer(text, SamplesOnly(source: source), start: start, step: step), "samples " + comment)
      }
      let derived = cluster.nodes.reduce(0) { $0 + $1.reads.counters.snapshot.derived }
      #expect(count == replicas || derived > 0)
    }
  }
}
