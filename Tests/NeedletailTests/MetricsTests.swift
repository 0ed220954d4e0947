import CoreMetrics
import NeedletailOTLP
import NeedletailTestSupport
import Testing

@testable import Needletail

@Suite("Metrics")
struct MetricsTests {
  private func registry(
    _ configure: (inout Needletail.Configuration) -> Void = { _ in }
  ) -> MetricRegistry {
    var configuration = Needletail.Configuration(serviceName: "test")
    configure(&configuration)
    return MetricRegistry(configuration: configuration, now: { 1_000 })
  }

  private func collect(_ registry: MetricRegistry) throws -> [WireTree] {
    var batch = RecordBatch()
    _ = registry.collect(into: &batch)
    return try WireTree(batch.bytes).messages(2)
  }

  @Test("A counter is a monotonic cumulative sum")
  func counter() throws {
    let registry = registry()
    let factory = TelemetryMetricsFactory(registry: registry)
    let counter = Counter(label: "c", dimensions: [("k", "v")], factory: factory)
    counter.increment(by: 5)
    counter.increment(by: -3)
    _ = try collect(registry)
    counter.increment(by: 2)
    let metric = try #require(collect(registry).first)
    let sum = try #require(metric.messages(7).first)
    #expect(metric.texts(1) == ["c"] && sum[2] == [.varint(2)] && sum[3] == [.varint(1)])
    let point = try #require(sum.messages(1).first)
    #expect(point[6] == [.fixed64(7)] && point[2] == [.fixed64(1_000)])
    #expect(try point.attributes(7) == ["k": "v"])
  }

  @Test("A floating-point counter keeps its fractions and refuses what does not grow")
  func floatingPointCounter() throws {
    let registry = registry()
    let counter = FloatingPointCounter(label: "f", factory: TelemetryMetricsFactory(registry: registry))
    for amount in [0.25, 0.5, -1, .nan, .infinity, 0] { counter.increment(by: amount) }
    let point = try collect(registry)[0].messages(7)[0].messages(1)[0]
    #expect(point[4] == [.fixed64((0.75).bitPattern)])
  }

  @Test("Gauges and meters tell the last value, and nothing before the first")
  func gauges() throws {
    let registry = registry()
    let factory = TelemetryMetricsFactory(registry: registry)
    let gauge = Gauge(label: "gauge", factory: factory)
    let meter = Meter(label: "meter", factory: factory)
    #expect(try collect(registry).isEmpty)
    gauge.record(3)
    gauge.record(2.5)
    meter.set(10)
    meter.increment(by: 2)
    meter.decrement(by: 5)
    let metrics = try collect(registry)
    #expect(metrics.flatMap { $0.texts(1) } == ["gauge", "meter"])
    #expect(try metrics[0].messages(5)[0].messages(1)[0][4] == [.fixed64((2.5).bitPattern)])
    #expect(try metrics[1].messages(5)[0].messages(1)[0][4] == [.fixed64((7.0).bitPattern)])
  }

  @Test("A recorder is a histogram whose bounds are inclusive above")
  func recorder() throws {
    let registry = registry { $0.histogramBounds = ["h": [10, 1]] }
    let recorder = Recorder(label: "h", factory: TelemetryMetricsFactory(registry: registry))
    for value in [0.5, 1, 1.5, 10, 11, .nan, .infinity] { recorder.record(value) }
    let point = try collect(registry)[0].messages(9)[0].messages(1)[0]
    #expect(point[4] == [.fixed64(5)] && point[5] == [.fixed64((24.0).bitPattern)])
    var counts = ProtobufWriter()
    counts.field(6, packedFixed64: [2, 2, 1])
    var bounds = ProtobufWriter()
    bounds.field(7, packedDouble: [1, 10])
    #expect(try point[6] == WireTree(counts.bytes)[6])
    #expect(try point[7] == WireTree(bounds.bytes)[7])
    #expect(point[11] == [.fixed64((0.5).bitPattern)] && point[12] == [.fixed64((11.0).bitPattern)])
  }

  @Test("A timer is a histogram in seconds")
  func timer() throws {
    let registry = registry()
    let timer = Timer(label: "t", factory: TelemetryMetricsFactory(registry: registry))
    timer.recordMilliseconds(250)
    let metric = try collect(registry)[0]
    #expect(metric.texts(3) == ["s"])
    #expect(try metric.messages(9)[0].messages(1)[0][5] == [.fixed64((0.25).bitPattern)])
  }

  @Test("Attributes make a series whatever their order, and the last of one name stands")
  func dimensionOrder() throws {
    let registry = registry()
    let factory = TelemetryMetricsFactory(registry: registry)
    Counter(label: "c", dimensions: [("a", "1"), ("b", "2")], factory: factory).increment()
    Counter(label: "c", dimensions: [("b", "2"), ("a", "0"), ("a", "1")], factory: factory).increment()
    let points = try collect(registry)[0].messages(7)[0].messages(1)
    #expect(points.count == 1 && points[0][6] == [.fixed64(2)])
  }

  @Test("Series beyond the limit share one that says so")
  func cardinality() throws {
    let registry = registry { $0.metricCardinalityLimit = 3 }
    let factory = TelemetryMetricsFactory(registry: registry)
    for index in 0..<10 { Counter(label: "c", dimensions: [("id", "\(index)")], factory: factory).increment() }
    let points = try collect(registry)[0].messages(7)[0].messages(1)
    #expect(points.count == 4)
    let overflow = try points.first { try $0.attributes(7) == ["otel.metric.overflow": "true"] }
    #expect(overflow?[6] == [.fixed64(7)])
  }

  @Test("Metrics beyond the limit are not exported but counted, and a destroyed one makes room")
  func metricLimit() throws {
    let registry = registry()
    let factory = TelemetryMetricsFactory(registry: registry)
    let limit = MetricRegistry.metricLimit
    let counters = (0..<limit + 5).map { Counter(label: "c\($0)", factory: factory) }
    for counter in counters { counter.increment() }
    Timer(label: "t", factory: factory).recordSeconds(1)
    #expect(try collect(registry).count == limit)
    #expect(registry.refusedCount == 6)
    Counter(label: "c0", dimensions: [("k", "v")], factory: factory).increment()
    #expect(registry.refusedCount == 6, "a further series of a metric that is there is not refused")
    counters[1].destroy()
    counters[limit].destroy()
    Counter(label: "new", factory: factory).increment()
    let names = try collect(registry).flatMap { $0.texts(1) }
    #expect(names.count == limit && names.contains("new") && !names.contains("c1"))
  }

  @Test("A destroyed instrument is exported no more")
  func destroy() throws {
    let registry = registry()
    let counter = Counter(label: "c", factory: TelemetryMetricsFactory(registry: registry))
    counter.increment()
    counter.destroy()
    #expect(try collect(registry).isEmpty)
  }

  @Test("Many threads count without losing one")
  func concurrentCounting() async throws {
    let registry = registry()
    let factory = TelemetryMetricsFactory(registry: registry)
    await withTaskGroup { group in
      for _ in 0..<8 {
        group.addTask {
          for index in 0..<1_000 {
            Counter(label: "c", dimensions: [("k", "\(index % 3)")], factory: factory).increment()
            Recorder(label: "r", factory: factory).record(1)
          }
        }
      }
    }
    let metrics = try collect(registry)
    let total = try metrics[0].messages(7)[0].messages(1).reduce(UInt64(0)) { sum, point in
      if case .fixed64(let value)? = point[6].first { sum + value } else { sum }
    }
    #expect(total == 8_000)
    #expect(try metrics[1].messages(9)[0].messages(1)[0][4] == [.fixed64(8_000)])
  }
}
