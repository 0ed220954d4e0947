import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Damage on disk is told, and the rest is served")
struct SeriesDamageTests {
  /// A machine with two parts of one day and a model of it.
  private func flushed(_ generator: inout TelemetryGenerator, seed: UInt64) async throws -> (SeriesMachine, SeriesModel)
  {
    let machine = try SeriesMachine(FaultyFileSystem(seed: seed))
    var model = SeriesModel()
    for step in 0..<20 {
      let now = machine.nowMilliseconds
      guard let random = RandomBatch(&generator, tenant: .default, now: now, onto: model) else { continue }
      _ = try await machine.append(random.batch, random.definitions)
      model = random.model
      if step % 10 == 9 { _ = try machine.journal.flush() }
    }
    return (machine, model)
  }

  @Test("after a flipped bit an answer is whole, or says what is missing and invents nothing", arguments: 1...80)
  func bitFlips(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 5_000_000)
    var (machine, model) = try await flushed(&generator, seed: UInt64(seed))
    let record = generator.pick(try machine.catalog.list(.series))
    let folder = "/data/parts/\(record.id.folderName)"
    let file = folder + "/" + generator.pick(try machine.disk.list(folder).map(\.name))
    let size = try Int(machine.disk.status(file)?.size ?? 0)
    guard size > 0 else { return }
    if generator.oneIn(2) { machine = try machine.reopen() }
    machine.disk.flip(file, byte: generator.int(0...size - 1), bit: generator.int(0...7))
    if generator.oneIn(2) { machine = try machine.reopen() }
    let expected = model.answer(.default, [], .all)
    var cursor = try machine.engine.select(tenant: .default, [], .all)
    let answer = try #require(try Answer(&cursor), comment)
    if answer != expected {
      #expect(!cursor.damages.isEmpty, comment)
      #expect(cursor.damages.allSatisfy { $0.part == record.id }, comment)
    }
    // A lost part may uncover a value that lost against one in it, but never one that was not sent.
    for (labels, times) in answer.samples {
      for time in times.keys { #expect(model.samples[.default]?[labels]?[time] != nil, comment) }
    }
    for (labels, times) in answer.histograms {
      for time in times.keys { #expect(model.histograms[.default]?[labels]?[time] != nil, comment) }
    }
  }

  @Test("a bit flipped in samples is named with part, file and offset")
  func namesTheBlock() async throws {
    var generator = TelemetryGenerator(seed: 77)
    let (machine, _) = try await flushed(&generator, seed: 77)
    let records = try machine.catalog.list(.series)
    let record = try #require(records.max { $0.summary.rows < $1.summary.rows })
    machine.disk.flip("/data/parts/\(record.id.folderName)/samples", byte: 30, bit: 3)
    var cursor = try machine.engine.select(tenant: .default, [], .all)
    while try cursor.next() != nil {}
    let damage = try #require(cursor.damages.first)
    #expect(cursor.damages.count == 1)
    #expect(damage.part == record.id)
    #expect(damage.path.hasSuffix("/samples"))
    #expect(damage.offset == 0)
  }

  @Test("histograms that are deleted stay so where others of their series cannot be read")
  func deletedHistograms() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 6))
    let now = machine.nowMilliseconds
    let labels = LabelSet(["__name__": "h"])
    var generator = TelemetryGenerator(seed: 61)
    let counts = (0..<1_500).map { _ in Double(generator.int(0...1_000_000)) }
    let defined = try DefinedBatch([labels]) { _, builder in
      for (index, count) in counts.enumerated() {
        var histogram = NativeHistogram(schema: 0, zeroThreshold: 0, zeroCount: 0, count: count, sum: count)
        histogram.positiveSpans = [.init(offset: 0, length: 1)]
        histogram.positiveBuckets = [count]
        builder.append(timestamp: now - 1_500_000 + Int64(index) * 1000, histogram: histogram)
      }
    }
    _ = try await machine.append(defined.batch, defined.definitions)
    _ = try machine.journal.flush()
    let deleted = try #require(TimeRange(startMilliseconds: now - 1_500_000, endMilliseconds: now - 1_400_000))
    try machine.engine.delete(tenant: .default, [LabelMatcher("__name__", equals: "h")], deleted)
    let record = try #require(try machine.catalog.list(.series).first)
    let file = "/data/parts/\(record.id.folderName)/histograms"
    machine.disk.flip(file, byte: Int(try machine.disk.status(file)?.size ?? 1) - 1, bit: 2)
    var cursor = try machine.engine.select(tenant: .default, [], .all)
    let times = Set(try #require(try Answer(&cursor)).histograms[labels]?.keys.map { $0 } ?? [])
    #expect(!cursor.damages.isEmpty)
    #expect(!times.isEmpty && times.allSatisfy { !deleted.contains($0) })
  }

  @Test("random bytes never get past the decoders of a part", arguments: 1...40)
  func decoders(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    for _ in 0..<200 {
      let bytes = generator.bytes(generator.int(0...80))
      _ = try? PartContent(decoding: bytes)
      bytes.withUnsafeBytes { bytes in
        var histograms: [StoredHistogram] = []
        var values: [Double] = []
        var one = ByteReader(bytes)
        if let header = try? SampleRun.header(&one, mayHaveStarts: true) {
          #expect(header.values.upperBound <= bytes.count && header.starts.upperBound <= bytes.count)
        }
        _ = try? RunStarts.decode(bytes, count: generator.int(0...5))
        try? SampleRun.decode(bytes, count: 3, into: &values)
        for form in [HistogramRun.Form.list, .column, .started] {
          var other = ByteReader(bytes)
          try? HistogramRun.decode(&other, form, common: 0, from: .min, to: .max, into: &histograms)
        }
        var third = ByteReader(bytes)
        if let exemplar = try? StoredExemplar(decoding: &third, seriesCount: 5) { #expect(exemplar.series < 5) }
      }
    }
  }
}
