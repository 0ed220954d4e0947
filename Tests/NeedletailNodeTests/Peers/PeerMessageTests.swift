import NeedletailCollector
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailNode

@Suite("Messages between nodes")
struct PeerMessageTests {
  /// Series of numbers and histograms with starts, one of them longer than a message.
  static func columns(_ random: inout SeededGenerator, longest: Int = 300) -> SeriesColumns {
    var generator = TelemetryGenerator(seed: random.next())
    var histograms = HistogramGenerator(.anything, oddity: 5, &generator)
    var columns = SeriesColumns()
    for series in 0..<Int.random(in: 0...6, using: &random) {
      var time = Int64(bitPattern: random.next()) / 2
      for _ in 0..<Int.random(in: 1...longest, using: &random) {
        time += Int64.random(in: 1...100_000, using: &random)
        let start = Int.random(in: 0..<20, using: &random) == 0 ? time - 5 : 0
        columns.starts.append(start, from: columns.timestamps.count)
        if Int.random(in: 0..<8, using: &random) == 0 {
          columns.append(timestamp: time, histogram: histograms.next(&generator))
        } else {
          columns.append(timestamp: time, value: Double(bitPattern: random.next()))
        }
      }
      columns.finishSeries(LabelSet(["__name__": "m", "of": "series \(series)"]))
    }
    return columns
  }

  static func messages(_ chunks: [SeriesColumns], _ coverage: Coverage = .complete) -> [[UInt8]] {
    var writer = SeriesMessageWriter()
    var messages: [[UInt8]] = []
    for chunk in chunks { writer.append(chunk) { messages.append($0) } }
    writer.end(coverage, SelectionWork())
    return messages + [writer.take()]
  }

  static func text(_ columns: SeriesColumns) -> [String] {
    var histogram = 0
    return (0..<columns.count).map { row in
      let samples = (columns.offsets[row]..<columns.offsets[row + 1]).map { index in
        let start = columns.starts.start(of: index)
        guard columns.histogramIndexes.dropFirst(histogram).first == index else {
          return "\(columns.timestamps[index]) \(columns.values[index].bitPattern) \(start)"
        }
        histogram += 1
        var writer = ByteWriter()
        columns.histograms[histogram - 1].encode(to: &writer)
        return "\(columns.timestamps[index]) \(writer.bytes) \(start)"
      }
      return "\(columns.labels[row]) " + samples.joined(separator: ", ")
    }
  }

  @Test("series come back as they were, to the bit, however they lie in messages and whenever they are taken")
  func series() throws {
    for round in 0..<60 {
      let seed = UInt64.random(in: 0 ... .max)
      var random = SeededGenerator(seed: seed)
      let columns = Self.columns(&random, longest: round == 0 ? 60_000 : 300)
      let coverage = Bool.random(using: &random) ? Coverage.complete : Coverage(failures: ["part 7: a flipped bit"])
      var reader = SeriesMessageReader()
      var found: [String] = []
      for message in Self.messages([columns], coverage) {
        #expect(message.count < 2 * SeriesMessageWriter.messageBytes, "seed \(seed)")
        #expect(!reader.isAtEnd, "seed \(seed)")
        try reader.read(message)
        if Bool.random(using: &random), let series = reader.takeSeries() { found += Self.text(series) }
      }
      if let series = reader.takeSeries() { found += Self.text(series) }
      #expect(found == Self.text(columns), "seed \(seed)")
      #expect(reader.isAtEnd && reader.coverage == coverage, "seed \(seed)")
    }
  }

  @Test("a message that was cut or changed is refused or read, and never stops the process")
  func damaged() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    let matchers = [LabelMatcher("a", equals: "b"), try LabelMatcher("c", .notMatches, "d.*|e")]
    let selection = try SelectionMessage.encode(SeriesSelection(tenant: .default, matchers: matchers, range: .all))
    let scope = try SelectionMessage.encode(
      MetadataScope(tenant: .default, selectors: [matchers, []], range: .all), limit: 7, name: "job")
    let lists = [
      ListMessage.encode(Listing(["a", "b"], coverage: Coverage(failures: ["c"]))),
      ListMessage.encode(Listing([LabelSet(["a": "b"])])),
      ListMessage.encode([NamedMetadata(metric: "m", metadata: MetricMetadata(kind: .gauge, unit: "s", help: "h"))]),
      AppendMessage.encode(.failure(.outOfWindow(reason: "old"))),
    ]
    let series = try #require(Self.messages([Self.columns(&random, longest: 20)]).first)
    for original in [selection, scope, series] + lists + (try Self.batches()) {
      for length in 0..<original.count { Self.readAll(Array(original[..<length])) }
      for _ in 0..<2_000 {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          guard let place = bytes.indices.randomElement(using: &random) else { continue }
          bytes[place] = UInt8.random(in: 0...255, using: &random)
        }
        Self.readAll(bytes)
      }
    }
  }

  /// A batch with its definitions, and definitions alone.
  private static func batches() throws -> [[UInt8]] {
    let labels = LabelSet(["__name__": "up", "job": "far"])
    let id = SeriesID(labels, tenant: .default)
    var definitions = SeriesDefinitionsBuilder()
    definitions.append(id, labels: labels)
    let definitionsBuilt = definitions.build(tenant: .default)
    let named = try #require(definitionsBuilt)
    var builder = SeriesBatchBuilder()
    builder.beginSeries(id)
    for time in 0..<4 { builder.append(timestamp: Int64(time), valueBits: Double(time).bitPattern) }
    let built = builder.build(tenant: .default, batchID: Hash128(high: 1, low: 2))
    let batch = try #require(built)
    return [AppendMessage.encode(.series(batch, named)), AppendMessage.encode(.definitions(named))]
  }

  /// Reads bytes as everything that they might be.
  private static func readAll(_ bytes: [UInt8]) {
    _ = try? SelectionMessage.decode(bytes)
    _ = try? SelectionMessage.decodeScope(bytes)
    _ = try? ListMessage.texts(bytes, 9)
    _ = try? ListMessage.labelSets(bytes, 9)
    _ = try? ListMessage.metadata(bytes, 9)
    _ = try? AppendMessage.decode(bytes)
    _ = try? AppendMessage.decodeOutcome(bytes)
    var reader = SeriesMessageReader()
    try? reader.read(bytes)
    _ = reader.takeSeries()
  }

  @Test("selections, scopes, lists and outcomes come back as they were")
  func others() throws {
    let matchers = [LabelMatcher("a", equals: "b"), try LabelMatcher("c", .notMatches, "d.*|e")]
    var selection = SeriesSelection(
      tenant: try #require(TenantID("shop")), matchers: matchers,
      range: try #require(TimeRange(startMilliseconds: -5, endMilliseconds: .max)))
    selection.hints.needsStarts = true
    selection.limits = SelectionLimits(series: 7, samples: .max)
    #expect(try SelectionMessage.decode(SelectionMessage.encode(selection)) == selection)
    let scope = MetadataScope(tenant: .default, selectors: [matchers, []], range: .all)
    let decoded = try SelectionMessage.decodeScope(SelectionMessage.encode(scope, limit: 7, name: "job"))
    #expect(decoded.scope == scope && decoded.limit == 7 && decoded.name == "job")
    let texts = Listing(["", "b"], coverage: Coverage(failures: ["c"]))
    let list = try ListMessage.texts(ListMessage.encode(texts), 2)
    #expect(list.elements == texts.elements && list.coverage == texts.coverage)
    let outcomes: [Result<SinkOutcome, SinkError>] = [
      .success(SinkOutcome(tooOld: 1, outOfWindow: 2, tooNew: 3)), .failure(.unknownSeries),
      .failure(.overloaded(retryAfterSeconds: 5)), .failure(.unavailable(reason: "a")),
      .failure(.outOfRetention(reason: "b")), .failure(.outOfWindow(reason: "c")), .failure(.refused(reason: "d")),
      .failure(.tooFarInFuture(reason: "e")),
    ]
    for outcome in outcomes { #expect(try AppendMessage.decodeOutcome(AppendMessage.encode(outcome)) == outcome) }
  }

  @Test("what another node may not send is refused: series of no samples, times not asked for, more than was asked for")
  func refused() throws {
    let labels = LabelSet(["__name__": "m"])
    var column = SeriesColumns()
    for time in [Int64.min, 0, 5] { column.append(timestamp: time, value: 1) }
    column.finishSeries(labels)
    let message = try #require(Self.messages([column]).first)
    let range = try #require(TimeRange(startMilliseconds: -1, endMilliseconds: 5))
    var all = SeriesMessageReader()
    try all.read(message)
    #expect(all.samplesRead == 3 && all.seriesRead == 1)
    var some = SeriesMessageReader(range)
    #expect(throws: MalformedBytes.self) { try some.read(message) }
    var writer = ByteWriter()
    writer.append(SeriesMessageWriter.version)
    writer.append(UInt8(1))
    labels.withUnsafeBytes { writer.appendPrefixed($0) }
    writer.append(UInt8(4))
    let empty = writer.bytes
    #expect(throws: MalformedBytes.self) { try all.read(empty) }
    let list = ListMessage.encode(Listing(["", ""]))
    #expect(throws: MalformedBytes.self) { try ListMessage.texts(list, 1) }
  }

  @Test("numbers that another node counted can be added up, however large it says that they are")
  func numbers() throws {
    var work = SelectionWork()
    (work.partsTouched, work.partsSkipped, work.blocksRead, work.blocksTotal) = (.max, .max, .max, .max)
    var writer = SeriesMessageWriter()
    writer.end(.complete, work)
    var reader = SeriesMessageReader()
    try reader.read(writer.take())
    work = reader.work
    work.add(reader.work)
    #expect(work.blocksTotal == 2 * Int(Int32.max))
    let outcome = AppendMessage.encode(.success(SinkOutcome(tooOld: .max, outOfWindow: .max, tooNew: .max)))
    let decoded = try AppendMessage.decodeOutcome(outcome).get()
    #expect(decoded.tooOld + decoded.tooNew == 2 * Int(Int32.max))
  }

  @Test("no more regular expressions are sent than another node compiles, over all selectors together")
  func patterns() throws {
    let pattern = try LabelMatcher("a", .matches, "b.*")
    func scope(_ selectors: Int, _ matchers: Int) -> MetadataScope {
      let selector = [LabelMatcher](repeating: pattern, count: matchers)
      return MetadataScope(tenant: .default, selectors: .init(repeating: selector, count: selectors), range: .all)
    }
    let bytes = try SelectionMessage.encode(scope(16, 16), limit: 1)
    #expect(try SelectionMessage.decodeScope(bytes).scope == scope(16, 16))
    #expect(throws: QueryError.self) { try SelectionMessage.encode(scope(16, 17), limit: 1) }
    #expect(throws: QueryError.self) {
      let matchers = [LabelMatcher](repeating: pattern, count: 257)
      _ = try SelectionMessage.encode(SeriesSelection(tenant: .default, matchers: matchers, range: .all))
    }
    // One selector more than there may be expressions, in a message that no encoder of ours writes.
    let one = try SelectionMessage.encode(scope(1, 1), limit: 1)
    let head = 1 + 1 + TenantID.default.description.utf8.count
    let selector = one[(head + 1)..<(head + 1 + 8)]
    let many = one[..<head] + [0x81, 0x02] + (0..<257).flatMap { _ in selector } + one[(head + 1 + selector.count)...]
    #expect(throws: MalformedBytes.invalid("too many regular expressions")) {
      try SelectionMessage.decodeScope(Array(many))
    }
  }
}
