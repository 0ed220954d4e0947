import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailSeries

@Suite("Parts of format 5, which keep the latest start of a series alone")
struct UntoldStartTests {
  private static let day: Int64 = 20_000

  private static func time(_ index: Int) -> Int64 { day * SeriesEngine.dayMilliseconds + Int64(index) * 15_000 }

  /// What the fixture holds: a counter and a histogram that count from zero at 20, and a gauge. Written by the program of
  /// 2026-11-28, whose parts had format 5.
  private static let starts: [(name: String, start: Int64)] = [
    ("counter_total", time(10) - 500), ("gauge", 0), ("latency", time(5) - 500),
  ]

  private func fixture() throws -> SeriesPart {
    let folder = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Fixtures/format-5"
    let summary = PartSummary(
      kind: .series, format: 5, partition: Self.day, level: 0, rows: 120, groups: 3, minTime: Self.time(0),
      maxTime: Self.time(39))
    let parts = PartsFolder(path: folder, fileSystem: PosixFileSystem(), nextID: PartID(2))
    return try SeriesPart(PartRecord(id: PartID(1), summary: summary, bytes: 950), in: parts)
  }

  private func check(_ part: SeriesPart) throws {
    var reader = PartSeriesReader(PartIndex(part))
    var samples = SampleScan(part)
    var scan = HistogramScan(part)
    for (number, series) in Self.starts.enumerated() {
      let record = try reader.record(number)
      #expect(try reader.labels(of: number) == LabelSet(["__name__": series.name]).canonicalBytes)
      var columns = SampleColumns()
      try samples.read(
        PartScan.Runs(record.samples, count: record.sampleRuns, start: record.startTimestamp), from: .min, to: .max,
        into: &columns)
      var histograms: [TimedHistogram] = []
      try scan.read(record, from: .min, to: .max, into: &histograms)
      let times = series.name == "latency" ? histograms.map(\.timestamp) : columns.timestamps
      let found = series.name == "latency" ? histograms.map(\.start) : (0..<40).map { columns.starts.start(of: $0) }
      let counts =
        series.name == "latency" ? histograms.map(\.histogram.count) : columns.values.map(Double.init(bitPattern:))
      #expect(times == (0..<40).map(Self.time))
      #expect(counts == (0..<40).map { Double($0 % 20) })
      // What lies before the start that was told last had another, which nobody knows any more.
      #expect(found == times.map { $0 > series.start ? series.start : 0 })
    }
  }

  @Test("are read: a start is that of the samples after it")
  func format5() throws {
    let part = try fixture()
    #expect(!part.hasRunStarts && !part.hasHistogramLists)
    try check(part)
  }

  @Test("are merged to one of the present format that tells the same")
  func merged() throws {
    let disk = FaultyFileSystem(seed: 1)
    try disk.createDirectory("/parts")
    let folder = PartsFolder(path: "/parts", fileSystem: disk, nextID: PartID(10))
    let record = try #require(
      try SeriesPartMerge.merge([try fixture()], [:], options: SeriesEngineOptions(), slots: .standard, to: folder))
    let part = try SeriesPart(record, in: folder)
    #expect(record.summary.format == SeriesEngine.partFormat && part.hasRunStarts)
    try check(part)
  }
}
