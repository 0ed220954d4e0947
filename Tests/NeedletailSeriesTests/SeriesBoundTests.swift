import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Bounds of the series engine")
struct SeriesBoundTests {
  private let day: Int64 = 86_400_000
  private let up = LabelSet(["__name__": "up"])

  /// One sample of one series, with descriptions of metrics.
  private func append(
    to machine: SeriesMachine, at times: [Int64], metrics: [(String, MetricMetadata)] = []
  ) async throws {
    var definitions = SeriesDefinitionsBuilder()
    definitions.append(SeriesID(up, tenant: .default), labels: up)
    for (name, description) in metrics { definitions.append(metric: name, description) }
    var builder = SeriesBatchBuilder()
    builder.beginSeries(SeriesID(up, tenant: .default))
    for time in times { builder.append(timestamp: time, valueBits: 1) }
    let batch = builder.build(tenant: .default, batchID: Hash128(high: 1, low: 2))
    _ = try await machine.append(try #require(batch), definitions.build(tenant: .default))
  }

  private func description(_ index: Int) -> (String, MetricMetadata) {
    // 1,000 bytes by the engine's account.
    let name = "metric_\(index)"
    return (name, MetricMetadata(kind: .gauge, unit: "", help: String(repeating: "x", count: 872 - name.utf8.count)))
  }

  private func options(retention: SeriesRetention = .forever) -> SeriesEngineOptions {
    SeriesEngineOptions(retention: retention, blockBytes: 2048, metadataBytesMax: 10_000)
  }

  @Test("a head keeps descriptions up to its bound, logs no others, and counts them")
  func headMetadata() async throws {
    var machine = try SeriesMachine(FaultyFileSystem(seed: 1), options: options())
    let now = machine.nowMilliseconds
    try await append(to: machine, at: [now], metrics: (0..<15).map(description))
    #expect(machine.engine.metadata(tenant: .default).count == 10)
    #expect(machine.engine.statistics.metadataRefused == 5)
    let head = machine.engine.state.withLock { $0.head }
    #expect(head.withStorage { $0.metadata.byteCount } == 10_000)
    let logged = loggedBytes(machine)
    try await append(to: machine, at: [now + 1], metrics: (10..<15).map(description))
    #expect(loggedBytes(machine) - logged < 1_000, "what is refused is not logged")
    #expect(machine.engine.statistics.metadataRefused == 10)
    let shorter = MetricMetadata(kind: .counter, unit: "s", help: "what it is")
    try await append(to: machine, at: [now + 2], metrics: [("metric_0", shorter)])
    try await append(to: machine, at: [now + 3], metrics: [("small", MetricMetadata(kind: .counter))])
    #expect(machine.engine.metadata(tenant: .default, metric: "metric_0").map(\.metadata) == [shorter])
    let names = machine.engine.metadata(tenant: .default).map(\.name)
    #expect(names.count == 11 && names.contains("small"), "a shorter description makes room")
    _ = try machine.journal.flush()
    machine = try machine.reopen()
    #expect(machine.engine.metadata(tenant: .default).map(\.name) == names)
  }

  @Test("the engine's descriptions are bounded over flushes, and retention makes room for new ones")
  func engineMetadata() async throws {
    let options = options(retention: .milliseconds(3 * day))
    let machine = try SeriesMachine(FaultyFileSystem(seed: 2), options: options)
    for round in 0..<3 {
      try await append(
        to: machine, at: [machine.nowMilliseconds], metrics: (round * 8..<round * 8 + 8).map(description))
      _ = try machine.journal.flush()
      machine.clock.advance(nanoseconds: 1_000_000)
    }
    #expect(machine.engine.metadata(tenant: .default).count == 10)
    #expect(machine.engine.statistics.metadataRefused == 14)
    let reopened = try machine.reopen()
    let names = Set(reopened.engine.metadata(tenant: .default).map(\.name))
    #expect(names.count == 10 && names.isSuperset(of: (16..<24).map { "metric_\($0)" }), "the newest come first")
    reopened.clock.advance(nanoseconds: 4 * day * 1_000_000)
    try await append(to: reopened, at: [reopened.nowMilliseconds], metrics: [description(99)])
    #expect(!reopened.engine.metadata(tenant: .default).contains { $0.name == "metric_99" })
    _ = try reopened.journal.flush()
    #expect(try reopened.engine.enforceRetention(now: reopened.nowMilliseconds).count == 3)
    #expect(reopened.engine.metadata(tenant: .default).map(\.name) == ["metric_99"])
  }

  @Test("a flush of many days writes sixteen parts at a time, loses nothing, and leaves nothing when it fails")
  func manyDays() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 3))
    let now = machine.nowMilliseconds
    // Two and a half groups of days, with gaps, and out of order.
    let times = (0..<40).map { now - Int64(($0 * 7) % 40) * 2 * day }
    try await append(to: machine, at: times, metrics: [("up", MetricMetadata(kind: .gauge))])
    let before = try read(machine)
    machine.disk.fail(.open, onPathsEnding: "/header.new", skip: 20, number: 28)
    #expect(throws: (any Error).self) { _ = try machine.journal.flush() }
    #expect(try machine.disk.list("/data/parts").isEmpty, "a flush that failed half-way leaves nothing")
    #expect(try read(machine) == before)
    let calls = machine.disk.callCount
    _ = try machine.journal.flush()
    #expect(mostPartsAtOnce(machine.disk.calls.dropFirst(calls)) == 16)
    #expect(machine.engine.statistics.parts == 40)
    #expect(try read(machine) == before)
    let reopened = try machine.reopen()
    #expect(try read(reopened) == before)
    #expect(before.samples[up]?.count == 40)
  }

  private func loggedBytes(_ machine: SeriesMachine) -> Int {
    machine.disk.calls.filter { $0.operation == .write && $0.path.contains("/log/") }.reduce(0) { $0 + $1.bytes }
  }

  /// How many parts were in the making at a time: a part's folder begins it, its header ends it.
  private func mostPartsAtOnce(_ calls: some Sequence<FileCall>) -> Int {
    var (open, most) = (0, 0)
    for call in calls where call.path.contains("/parts/") {
      if call.operation == .createDirectory { open += 1 }
      if call.operation == .open, call.path.hasSuffix("/header.new") { open -= 1 }
      most = max(most, open)
    }
    return most
  }
}
