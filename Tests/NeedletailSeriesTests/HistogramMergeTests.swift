import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Merging of histograms")
struct HistogramMergeTests {
  private static let day: Int64 = 20_000
  private static let step: Int64 = 15_000
  private static let labels = LabelSet(["__name__": "h"])
  private static let id = SeriesID(labels, tenant: .default)

  private let folder: PartsFolder

  init() throws {
    let disk = FaultyFileSystem(seed: 1)
    try disk.createDirectory("/parts")
    folder = PartsFolder(path: "/parts", fileSystem: disk, nextID: PartID(1))
  }

  private static func time(_ index: Int) -> Int64 { day * SeriesEngine.dayMilliseconds + Int64(index) * step }

  private func histograms(_ range: Range<Int>, _ generator: inout TelemetryGenerator) -> [StoredHistogram] {
    var histograms = HistogramGenerator(.integers, oddity: 60, &generator)
    let start = generator.pick([0, 7, 8])
    return range.map { index in
      let own = generator.oneIn(100) ? Int64(index) : Int64(start)
      return StoredHistogram(timestamp: Self.time(index), bytes: histograms.next(&generator).bytes, start: own)
    }
  }

  private func part(_ all: [StoredHistogram]) throws -> SeriesPart {
    let builder = try SeriesPartBuilder(day: Self.day, level: 0, slots: .standard, blockBytes: 20_000, folder: folder)
    try Self.labels.withUnsafeBytes { try builder.begin(Self.id, tenant: .default, labels: $0, start: 0) }
    try builder.append(all[...])
    for one in all { builder.digests.add(.histogram(Self.id, one), of: Self.id, at: one.timestamp) }
    return try SeriesPart(try builder.finish(metadata: []), in: folder)
  }

  private func merged(_ parts: [SeriesPart], _ deletion: SeriesDeletion? = nil) throws -> SeriesPart? {
    var deletions: [PartID: PartDeletions] = [:]
    if let deletion { for part in parts { deletions[part.record.id] = PartDeletions([deletion.encoded()]) } }
    let record = try SeriesPartMerge.merge(
      parts, deletions, options: SeriesEngineOptions(), slots: .standard, to: folder)
    return try record.map { try SeriesPart($0, in: folder) }
  }

  private func runs(_ part: SeriesPart) throws -> [HistogramScan.Run] {
    var reader = PartSeriesReader(PartIndex(part))
    let record = try reader.record(0)
    var scan = HistogramScan(part)
    var left = PartScan.Runs(record.histograms, count: record.histogramRuns, start: record.startTimestamp)
    var all: [HistogramScan.Run] = []
    while let run = try scan.next(&left) { all.append(run) }
    return all
  }

  @Test("merged parts hold each histogram once, and tell the digests of what they hold", arguments: 1...24)
  func comesBack(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 11_000_000)
    var (inputs, next): ([[StoredHistogram]], Int) = ([], 0)
    for _ in 0..<generator.int(2...4) {
      let start = generator.oneIn(3) ? max(0, next - generator.int(1...200)) : next + generator.int(0...3)
      let end = start + generator.pick([1, 20, 239, 240, 300, 700])
      inputs.append(histograms(start..<end, &generator))
      next = max(next, end)
    }
    let bounds = [generator.int(0...next), generator.int(0...next)].sorted()
    let range = try #require(
      TimeRange(startMilliseconds: Self.time(bounds[0]), endMilliseconds: Self.time(bounds[1])))
    let named = SeriesDeletion(tenant: .default, matchers: [LabelMatcher("__name__", equals: "h")], range: range)
    let deletion = seed % 3 == 0 ? named : nil
    let expected = HistogramRule.settled(inputs.flatMap { $0 }).filter { one in
      deletion == nil || one.timestamp < Self.time(bounds[0]) || one.timestamp > Self.time(bounds[1])
    }
    let parts = try inputs.map { try part($0) }
    guard let result = try merged(parts, deletion) else { return #expect(expected.isEmpty) }
    let found = try runs(result)
    let isSame = try found.flatMap { try $0.decoded() }.map(\.bytes) == expected.map(\.bytes)
    #expect(try found.flatMap { try $0.decoded() }.map(\.start) == expected.map(\.start))
    let isAtSameTimes = found.flatMap(\.times) == expected.map(\.timestamp)
    #expect(isSame && isAtSameTimes)
    #expect(result.record.summary.rows == UInt64(expected.count))
    let reference = try part(expected)
    for hour in 0..<24 {
      let window = SeriesWindow(of: Self.time(hour * 240))
      #expect(
        try result.digests(window).map(\.row.digest) == reference.digests(window).map(\.row.digest), "hour \(hour)")
    }
  }

  @Test("a run that is long enough and in nobody's way is passed on as it is")
  func passedOn() throws {
    var generator = TelemetryGenerator(seed: 5)
    let ranges = [0..<480, 480..<490, 490..<900, 880..<1360, 1400..<1700]
    let parts = try ranges.map { try part(histograms($0, &generator)) }
    let before = try parts.map { try runs($0)[0].column }
    let result = try #require(try merged(parts))
    let after = try runs(result).map(\.column)
    #expect(after.first == before[0] && after.last == before[4])
    // Ten would make a short run of their own; the two that overlap are settled.
    #expect(!after.contains(before[1]) && !after.contains(before[2]) && !after.contains(before[3]))
    #expect(try runs(result).map(\.times.count).allSatisfy { $0 >= HistogramRun.countMin })
  }
}
