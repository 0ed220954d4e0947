import NIOEmbedded
import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Reads that go ahead while others are asked whether they agree")
struct EarlyReadTests {
  /// What a node answers that may go ahead, and how whole that is.
  private static func answer(
    _ expression: String, _ node: ReadNode, _ options: ReadOptions = ReadOptions()
  ) async throws -> (answer: ReadAnswer?, question: ClusterQuestion) {
    let early = EarlyEvaluation()
    let (source, question) = node.source(options, early: early)
    var found: ReadAnswer?
    try await early.evaluated(node.reads) { found = await ReadAnswer(expression, source) }
    return (found, question)
  }

  /// Asks until the calls to all others that stay open are there.
  private static func expectEarly(_ cluster: ReadCluster, _ options: ReadOptions = ReadOptions()) async throws {
    let (node, others) = (cluster.nodes[0], cluster.nodes.dropFirst())
    let isEarly = {
      others.allSatisfy { other in other.toldAtOnce.withLock { $0 } > 0 } && node.reads.counters.snapshot.early > 0
    }
    for _ in 0..<6000 where !isEarly() {
      _ = try await answer("m", node, options)
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(isEarly())
  }

  private static func run(
    zones: [String]? = nil, _ body: @escaping @Sendable (ReadCluster) async throws -> Void
  ) async throws {
    try await ReadCluster.run(nodes: zones?.count ?? 3, zones: zones) { cluster in
      for node in cluster.nodes { node.tellsAtOnce.withLock { $0 = true } }
      try await body(cluster)
    }
  }

  @Test("where replicas are equal the answer is what the node itself has, and nobody is asked by a call of its own")
  func equal() async throws {
    try await Self.run { cluster in
      try await cluster.appendSome()
      let node = cluster.nodes[0]
      try await Self.expectEarly(cluster)
      let calls = cluster.nodes.map { node in node.asked.withLock { $0.digests } }
      let before = node.reads.counters.snapshot
      for expression in ReadCluster.expressions {
        let (found, question) = try await Self.answer(expression, node)
        found?.expectSame(as: await ReadAnswer(expression, cluster.single.reads.series), expression)
        #expect(found?.isComplete == true && question.coverage?.agreed == 2, "\(expression)")
      }
      let after = node.reads.counters.snapshot
      #expect(after.early - before.early >= UInt64(ReadCluster.expressions.count))
      #expect(after.earlyInVain == before.earlyInVain && after.unions == 0)
      #expect(cluster.nodes.map { node in node.asked.withLock { $0.digests } } == calls)
      #expect(cluster.nodes.contains { node in node.toldAtOnce.withLock { $0 } > 0 })
    }
  }

  @Test("where the others of its slots are not the same nodes each is asked of its own")
  func groups() async throws {
    try await Self.run(zones: ["a", "b", "b", "b"]) { cluster in
      try await cluster.appendSome()
      let node = cluster.nodes[0]
      #expect(cluster.layout.slots(of: node.name) == cluster.layout.allSlots)
      try await Self.expectEarly(cluster)
      for expression in ReadCluster.expressions {
        let (found, question) = try await Self.answer(expression, node)
        found?.expectSame(as: await ReadAnswer(expression, cluster.single.reads.series), expression)
        #expect(found?.isComplete == true && question.coverage?.agreed == 2, "\(expression)")
      }
      #expect(node.reads.counters.snapshot.earlyInVain == 0)
    }
  }

  @Test("with all replicas wanted all are asked, and one that has more makes the answer anew")
  func all() async throws {
    try await Self.run { cluster in
      let node = cluster.nodes[0]
      try await cluster.appendSome { $2 < 39 || $0 == 2 }
      try await Self.expectEarly(cluster, ReadOptions(consistency: .all))
      let (found, question) = try await Self.answer("sum(m)", node, ReadOptions(consistency: .all))
      found?.expectSame(as: await ReadAnswer("sum(m)", cluster.single.reads.series), "sum(m)")
      #expect(question.coverage?.agreed == 3)
      #expect(node.reads.counters.snapshot.earlyInVain > 0)
    }
  }

  @Test("where replicas differ the answer is made again of what they have together")
  func different() async throws {
    try await Self.run { cluster in
      try await cluster.appendSome { node, series, sample in (series + sample) % 3 != node }
      let node = cluster.nodes[0]
      try await Self.expectEarly(cluster)
      for expression in ReadCluster.expressions {
        let (found, question) = try await Self.answer(expression, node)
        found?.expectSame(as: await ReadAnswer(expression, cluster.single.reads.series), expression)
        #expect(found?.isComplete == true && question.coverage?.isPartial == false, "\(expression)")
      }
      let counted = node.reads.counters.snapshot
      #expect(counted.earlyInVain > 0 && counted.unions > 0)
    }
  }

  @Test("where a node cannot tell at once, or goes by another layout, it is asked by a call of its own")
  func notAtOnce() async throws {
    try await Self.run { cluster in
      try await cluster.appendSome()
      let node = cluster.nodes[0]
      try await Self.expectEarly(cluster)
      for other in cluster.nodes.dropFirst() { other.tellsAtOnce.withLock { $0 = false } }
      let before = node.reads.counters.snapshot
      let (found, _) = try await Self.answer("sum(m)", node)
      found?.expectSame(as: await ReadAnswer("sum(m)", cluster.single.reads.series), "sum(m)")
      let after = node.reads.counters.snapshot
      // A digest may be of a later instant than what was read.
      #expect(after.early > before.early && after.earlyInVain == before.earlyInVain)
      #expect(cluster.nodes.contains { other in other.asked.withLock { $0.digests } > 0 })
    }
  }

  @Test("a node that finds something of its own damaged has no vote, and what it has is no answer")
  func damaged() async throws {
    try await Self.run { cluster in
      try await cluster.appendSome { node, _, sample in node != 0 || sample < 20 }
      let node = cluster.nodes[0]
      try await Self.expectEarly(cluster)
      node.replicas.unready.withLock { $0 = SlotSet(0..<1024 as Range<UInt16>) }
      let (found, question) = try await Self.answer("sum(m)", node)
      found?.expectSame(as: await ReadAnswer("sum(m)", cluster.single.reads.series), "sum(m)")
      #expect(question.coverage?.agreed == 2)
    }
  }

  @Test("a question that goes by one replica does not wait for others, and does not ask them")
  func one() async throws {
    try await Self.run { cluster in
      try await cluster.appendSome()
      let node = cluster.nodes[0]
      try await Self.expectEarly(cluster)
      let told = cluster.nodes.map { node in node.toldAtOnce.withLock { $0 } }
      _ = try await Self.answer("sum(m)", node, ReadOptions(consistency: .one))
      #expect(cluster.nodes.map { node in node.toldAtOnce.withLock { $0 } } == told)
    }
  }

  /// The same as a question of a client, of a kind that took little before: also whether it was answered where it came in,
  /// and how often it was evaluated.
  private static func ask(
    _ node: ReadNode, _ kind: String, _ options: ReadOptions = ReadOptions()
  ) async throws -> (isInPlace: Bool, runs: Int, answer: ReadAnswer) {
    let shape = QueryShape(kind: .range, tenant: .default, texts: [kind])
    let early = options.consistency == .one ? nil : EarlyEvaluation()
    let queries = node.queries.over(node.reads)
      .asking(ClusterQuestion(options, timeout: .seconds(60), early: early))
    queries.small.ran(shape.number, nanoseconds: 0)
    let runs = Shared(0)
    let context = ConnectionContext(channel: NIOAsyncTestingChannel(), watch: nil)
    let found = try await queries.run(for: context, shape) { engine in
      runs.withLock { $0 += 1 }
      return (InMemoryRun.current != nil, await ReadAnswer("sum(m)", engine.series))
    }
    return (found.0, runs.withLock { $0 }, found.1)
  }

  @Test("a small question is answered where it came in, as long as others have the same and know it at once")
  func inPlace() async throws {
    try await Self.run { cluster in
      try await cluster.appendSome()
      let node = cluster.nodes[0]
      try await Self.expectEarly(cluster)
      let wanted = await ReadAnswer("sum(m)", cluster.single.reads.series)
      let equal = try await Self.ask(node, "equal")
      #expect(equal.isInPlace && equal.runs == 1)
      equal.answer.expectSame(as: wanted, "equal")
      let one = try await Self.ask(node, "one", ReadOptions(consistency: .one))
      #expect(!one.isInPlace && one.runs == 1)
      one.answer.expectSame(as: wanted, "one")
      for other in cluster.nodes.dropFirst() { other.tellsAtOnce.withLock { $0 = false } }
      let asked = try await Self.ask(node, "not at once")
      #expect(!asked.isInPlace && asked.runs >= 2)
      asked.answer.expectSame(as: wanted, "not at once")
    }
  }

  @Test("a small question that others turn out not to agree on is asked again on a thread")
  func notInPlace() async throws {
    try await Self.run { cluster in
      try await cluster.appendSome { node, series, sample in (series + sample) % 3 != node }
      let node = cluster.nodes[0]
      try await Self.expectEarly(cluster)
      let found = try await Self.ask(node, "different")
      // In place, early on a thread, and again.
      #expect(!found.isInPlace && found.runs == 3)
      found.answer.expectSame(as: await ReadAnswer("sum(m)", cluster.single.reads.series), "different")
    }
  }

  /// Has something that it cannot read.
  private final class Unreadable: NeedletailQueryEngine.SeriesCursor {
    let coverage = Coverage(failures: ["a block"])

    func next() async throws -> SeriesColumns? { nil }
  }

  @Test(
    "what is not in memory for a question where it came in is no damage, and the node stays the first that is asked")
  func notInMemory() async throws {
    try await Self.run { cluster in
      let (node, run) = (cluster.nodes[0], InMemoryRun())
      run.refuse()
      await InMemoryRun.$current.withValue(run) {
        await #expect(throws: CancellationError.self) {
          _ = try await ReplicaCursor(Unreadable(), of: node.name, node.reads).next()
        }
      }
      #expect(node.reads.counters.snapshot.broken == 0)
      #expect(!node.reads.times.isShunned(node.name, at: node.reads.now))
      await #expect(throws: QueryError.self) {
        _ = try await ReplicaCursor(Unreadable(), of: node.name, node.reads).next()
      }
      #expect(node.reads.counters.snapshot.broken == 1)
      #expect(node.reads.times.isShunned(node.name, at: node.reads.now))
    }
  }
}
