import NeedletailBlocks
import NeedletailSimulation
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries
@testable import NeedletailTelemetry

@Suite("Runs of histograms")
struct HistogramRunTests {
  private static let day: Int64 = 20_000

  private func histograms(
    _ style: HistogramGenerator.Style, count: Int, _ generator: inout TelemetryGenerator
  ) -> [StoredHistogram] {
    var histograms = HistogramGenerator(style, oddity: 40, &generator)
    return (0..<count).map { index in
      StoredHistogram(
        timestamp: Self.day * SeriesEngine.dayMilliseconds + Int64(index) * 15_000,
        bytes: histograms.next(&generator).bytes, start: index < count / 2 ? 0 : 77)
    }
  }

  private func part(_ series: [[StoredHistogram]]) throws -> SeriesPart {
    let disk = FaultyFileSystem(seed: 1)
    try disk.createDirectory("/parts")
    let folder = PartsFolder(path: "/parts", fileSystem: disk, nextID: PartID(1))
    let builder = try SeriesPartBuilder(day: Self.day, level: 0, slots: .standard, blockBytes: 5000, folder: folder)
    for (number, all) in series.enumerated() {
      let labels = LabelSet(["__name__": "h", "n": "\(number)"])
      try labels.withUnsafeBytes {
        try builder.begin(SeriesID(labels, tenant: .default), tenant: .default, labels: $0, start: 0)
      }
      try builder.append(all[...])
    }
    return try SeriesPart(try builder.finish(metadata: []), in: folder)
  }

  @Test("what goes into a part comes back, all of it and by range, as bytes and as values", arguments: 1...12)
  func comesBack(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 7_000_000)
    let series = (0..<6).map { number in
      histograms(
        HistogramGenerator.Style.allCases[(seed + number) % 4],
        count: generator.pick([1, 3, 60, seed == 1 ? 1500 : 200]), &generator)
    }
    let part = try part(series)
    var reader = PartSeriesReader(PartIndex(part))
    var scan = HistogramScan(part)
    for (number, all) in series.enumerated() {
      let record = try reader.record(number)
      #expect(Int(record.histogramRuns) == (all.count + HistogramRun.countMax - 1) / HistogramRun.countMax)
      var stored: [StoredHistogram] = []
      try scan.read(record, from: .min, to: .max, into: &stored)
      #expect(stored.map(\.bytes) == all.map(\.bytes) && stored.map(\.timestamp) == all.map(\.timestamp))
      let (start, end) = (all[all.count / 3].timestamp, all[all.count * 2 / 3].timestamp)
      let expected = all.filter { $0.timestamp >= start && $0.timestamp <= end }
      var values: [TimedHistogram] = []
      try scan.read(record, from: start, to: end, into: &values)
      #expect(values.map(\.byteForm) == expected.map(\.bytes))
      #expect(values.map(\.timestamp) == expected.map(\.timestamp))
      #expect(stored.map(\.start) == all.map(\.start) && values.map(\.start) == expected.map(\.start))
      var withBefore: [TimedHistogram] = []
      try scan.read(record, from: start, to: end, withOneBefore: true, into: &withBefore)
      let before = all.last { $0.timestamp < start }
      #expect(withBefore.suffix(expected.count).map(\.byteForm) == expected.map(\.bytes))
      #expect(withBefore.dropLast(expected.count).allSatisfy { $0.timestamp == before?.timestamp })
    }
  }

  @Test("runs are evenly long, and no longer than a column's bytes allow")
  func lengths() {
    var generator = TelemetryGenerator(seed: 5)
    let all = histograms(.integers, count: 1000, &generator)
    #expect(HistogramRun.count(all[...]) == 334)
    #expect(HistogramRun.count(all[334...]) == 333)
    #expect(HistogramRun.count(all.prefix(480)) == 480)
    #expect(HistogramRun.count([]) == 0)
    let large = NativeHistogram(
      schema: 0, count: 0, sum: 0, positiveSpans: [.init(offset: 0, length: 16_384)],
      positiveBuckets: [Double](repeating: 1, count: 16_384))
    let many = (0..<20).map { StoredHistogram(timestamp: Int64($0), bytes: large.bytes) }
    #expect(HistogramRun.count(many[...]) == HistogramColumn.bytesMax / large.bytes.count)
  }

  @Test("a histogram whose numbers are written longer than needed is refused")
  func longerForm() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    let labels = LabelSet(["__name__": "h"])
    let id = SeriesID(labels, tenant: .default)
    var builder = SeriesBatchBuilder()
    builder.beginSeries(id)
    let histogram = NativeHistogram(
      schema: 0, count: 0, sum: 0x1.5p3, negativeSpans: [.init(offset: 0, length: 0)])
    builder.append(timestamp: machine.nowMilliseconds, histogram: histogram)
    let built = builder.build(tenant: .default, batchID: Hash128(high: 1, low: 2))
    var bytes = try #require(built).frame.bytes
    // A span of no bucket, no bucket, no bound; instead no span, and then twice nothing in two bytes each.
    let end = try #require(bytes.indices.last { bytes[..<$0].suffix(histogram.byteCount) == histogram.bytes[...] })
    bytes.replaceSubrange((end - 5)..<end, with: [0, 0x80, 0, 0x80, 0])
    let checksum = bytes.withUnsafeBytes { Frame.checksum(of: $0) }
    bytes.withUnsafeMutableBytes {
      $0.storeBytes(of: checksum.littleEndian, toByteOffset: Frame.checksumOffset, as: UInt64.self)
    }
    let batch = try bytes.withUnsafeBytes { try SeriesBatch(validating: Frame(validating: $0)) }
    var definitions = SeriesDefinitionsBuilder()
    definitions.append(id, labels: labels)
    let named = definitions.build(tenant: .default)
    let defined = try #require(named)
    await #expect(throws: SeriesEngineError.self) { _ = try await machine.append(batch, defined) }
  }

  @Test("of two histograms at one time the same one stays, whether they are bytes or values", arguments: 1...40)
  func settled(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 8_000_000)
    let all = (0..<30).map { _ in
      StoredHistogram(timestamp: Int64(generator.int(0...12)), bytes: generator.histogram().bytes)
    }
    let values = HistogramRule.settled(all.compactMap { TimedHistogram($0) })
    let stored = HistogramRule.settled(all)
    #expect(values.map(\.byteForm) == stored.map(\.bytes) && values.map(\.timestamp) == stored.map(\.timestamp))
    #expect(Set(stored.map(\.timestamp)).count == stored.count)
  }
}
