import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailSeries

@Suite("Parts of older formats")
struct OldPartTests {
  private static let day: Int64 = 20_000
  private static let names = ["bounds", "latency"]

  /// What the fixture holds: 40 histograms a series, one of them the stale marker, of two layouts.
  private static func histogram(_ series: String, _ index: Int) -> NativeHistogram {
    if index == 17 { return NativeHistogram(schema: 3, count: 0, sum: StaleMarker.value) }
    let wide = index >= 25
    let buckets = (0..<(wide ? 9 : 6)).map { Double(index * ($0 + 1)) }
    if series == "bounds" {
      return NativeHistogram(
        schema: NativeHistogram.customBucketsSchema, count: Double(index) * 21.5, sum: Double(index) / 3,
        resetHint: index == 0 ? .unknown : .notReset, positiveSpans: [.init(offset: 0, length: 6)],
        positiveBuckets: buckets.prefix(6).map { $0 + 0.1 }, customBounds: [0.1, 0.25, 0.5, 1, 2.5])
    }
    return NativeHistogram(
      schema: 3, zeroThreshold: 0x1p-128, zeroCount: Double(index / 7), count: buckets.reduce(0, +),
      sum: Double(index * index) * 0.37, resetHint: index == 25 ? .reset : .unknown,
      positiveSpans: wide
        ? [.init(offset: -4, length: 5), .init(offset: 2, length: 3)] : [.init(offset: -3, length: 5)],
      positiveBuckets: Array(buckets.prefix(wide ? 8 : 5)),
      negativeSpans: [.init(offset: 1, length: 1)], negativeBuckets: [buckets[buckets.count - 1]])
  }

  private static func time(_ index: Int) -> Int64 { day * SeriesEngine.dayMilliseconds + Int64(index) * 15_000 }

  private func fixture() throws -> SeriesPart {
    let folder = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Fixtures/format-4"
    let summary = PartSummary(
      kind: .series, format: 4, partition: Self.day, level: 0, rows: 80, groups: 2, minTime: Self.time(0),
      maxTime: Self.time(39))
    let parts = PartsFolder(path: folder, fileSystem: PosixFileSystem(), nextID: PartID(2))
    return try SeriesPart(PartRecord(id: PartID(1), summary: summary, bytes: 2496), in: parts)
  }

  private func check(_ part: SeriesPart) throws {
    var reader = PartSeriesReader(PartIndex(part))
    var scan = HistogramScan(part)
    for (number, name) in Self.names.enumerated() {
      let record = try reader.record(number)
      #expect(try reader.labels(of: number) == LabelSet(["__name__": name]).canonicalBytes)
      var values: [TimedHistogram] = []
      try scan.read(record, from: .min, to: .max, into: &values)
      #expect(values.map(\.timestamp) == (0..<40).map(Self.time))
      #expect(values.map(\.byteForm) == (0..<40).map { Self.histogram(name, $0).bytes })
      var stored: [StoredHistogram] = []
      try scan.read(record, from: Self.time(10), to: Self.time(19), into: &stored)
      #expect(stored.map(\.bytes) == (10..<20).map { Self.histogram(name, $0).bytes })
    }
  }

  /// The fixture was written by the program of 2026-11-27, whose parts had format 4.
  @Test("a part of format 4, whose histograms are lists, is read")
  func format4() throws {
    let part = try fixture()
    #expect(part.hasHistogramLists)
    try check(part)
    #expect(SeriesPartCheck.damage(part.record, in: try folder(of: part)) == nil)
  }

  private func folder(of part: SeriesPart) throws -> PartsFolder {
    let folder = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Fixtures/format-4"
    return PartsFolder(path: folder, fileSystem: PosixFileSystem(), nextID: PartID(2))
  }

  @Test("merging a part of format 4 makes one of the present format, with the same histograms and digests")
  func merged() throws {
    let old = try fixture()
    let disk = FaultyFileSystem(seed: 1)
    try disk.createDirectory("/parts")
    let folder = PartsFolder(path: "/parts", fileSystem: disk, nextID: PartID(10))
    let record = try #require(
      try SeriesPartMerge.merge([old], [:], options: SeriesEngineOptions(), slots: .standard, to: folder))
    #expect(record.summary.format == SeriesEngine.partFormat && record.summary.rows == 80)
    let part = try SeriesPart(record, in: folder)
    #expect(!part.hasHistogramLists)
    try check(part)
    let window = SeriesWindow(of: Self.time(0))
    let (before, after) = (try old.digests(window), try part.digests(window))
    #expect(before.map(\.0) == after.map(\.0) && before.map(\.1.digest) == after.map(\.1.digest))
  }

  @Test("a part of a format that is not known is refused")
  func unknown() throws {
    for format in [UInt32(3), SeriesEngine.partFormat + 1] {
      var record = try fixture().record
      record.summary.format = format
      let parts = try folder(of: try fixture())
      #expect(throws: SeriesDamage.self) { try SeriesPart(record, in: parts) }
    }
  }
}
