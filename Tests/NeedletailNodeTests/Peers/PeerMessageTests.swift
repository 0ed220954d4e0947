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

  private static func messages(_ chunks: [SeriesColumns], _ coverage: Coverage = .complete) -> [[UInt8]] {
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
    let selection = SelectionMessage.encode(SeriesSelection(tenant: .default, matchers: matchers, range: .all))
    let scope = SelectionMessage.encode(
      MetadataScope(tenant: .default, selectors: [matchers, []], range: .all), limit: 7, name: "job")
    let lists = [
      ListMessage.encode(Listing(["a", "b"], coverage: Coverage(failures: ["c"]))),
      ListMessage.encode(Listing([LabelSet(["a": "b"])])),
      ListMessage.encode([NamedMetadata(metric: "m", metadata: MetricMetadata(kind: .gauge, unit: "s", help: "h"))]),
      AppendMessage.encode(.failure(.outOfWindow(reason: "old"))),
    ]
    let series = try #require(Self.messages([Self.columns(&random, longest: 20)]).first)
    for original in [selection, scope, series] + lists {
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

  /// Reads bytes as everything that they might be.
  private static func readAll(_ bytes: [UInt8]) {
    _ = try? SelectionMessage.decode(bytes)
    _ = try? SelectionMessage.decodeScope(bytes)
    _ = try? ListMessage.texts(bytes)
    _ = try? ListMessage.labelSets(bytes)
    _ = try? ListMessage.metadata(bytes)
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
    let list = try ListMessage.texts(ListMessage.encode(texts))
    #expect(list.elements == texts.elements && list.coverage == texts.coverage)
    let outcomes: [Result<SinkOutcome, SinkError>] = [
      .success(SinkOutcome(tooOld: 1, outOfWindow: 2, tooNew: 3)), .failure(.unknownSeries),
      .failure(.overloaded(retryAfterSeconds: 5)), .failure(.unavailable(reason: "a")),
      .failure(.outOfRetention(reason: "b")), .failure(.outOfWindow(reason: "c")), .failure(.refused(reason: "d")),
    ]
    for outcome in outcomes { #expect(try AppendMessage.decodeOutcome(AppendMessage.encode(outcome)) == outcome) }
  }
}
