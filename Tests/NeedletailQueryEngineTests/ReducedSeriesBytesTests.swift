import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine

@Suite("Reductions and what they come to have a byte form that is checked")
struct ReducedSeriesBytesTests {
  private static func reduction(_ text: String, steps: Int64 = 7) throws -> SeriesReduction {
    let asked = AskedExpression(
      text, place: "(1:5)", steps: Steps(start: 1000, end: 1000 + (steps - 1) * 500, interval: 500),
      lookback: 300_000, usesStarts: true, rule: .both)
    return try #require(asked.flatMap { SeriesReduction($0) })
  }

  private static func bytes(_ reduction: SeriesReduction) -> [UInt8] {
    var writer = ByteWriter()
    reduction.encode(to: &writer)
    return writer.bytes
  }

  private static func decoded(_ bytes: [UInt8]) throws -> SeriesReduction {
    try bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      let reduction = try SeriesReduction(decoding: &reader)
      try reader.expectEnd()
      return reduction
    }
  }

  /// A state of groups of which each cell is anything that there can be.
  private static func reduced(_ reduction: SeriesReduction, groups: Int, seed: UInt64) throws -> ReducedSeries {
    var generator = TelemetryGenerator(seed: seed)
    var result = ReducedSeries(try #require(reduction.emptyFold))
    let isDense = generator.oneIn(2)
    for group in 0..<groups {
      let parts = (0..<reduction.asked.steps.count).map { _ -> NumberReduction.Part in
        if !isDense, generator.oneIn(3) { return NumberReduction.Part() }
        return NumberReduction.Part(
          count: isDense ? 3 : UInt32(generator.int(1...4_000_000_000)),
          value: result.fold.hasValues ? Double(bitPattern: generator.valueBits()) : 0,
          correction: !isDense && [.sum, .avg, .stddev, .stdvar].contains(result.fold.operation)
            ? Double(bitPattern: generator.valueBits()) : 0)
      }
      let isNew = result.fold.add(LabelSet(["group": "\(group)"]), parts)
      #expect(isNew)
    }
    let names = MetricNames(last: generator.oneIn(2) ? Array("m_total".utf8) : nil, areSeveral: false, hadType: true)
    result.fold.note(names, rows: 17, ignoresHistograms: generator.oneIn(2))
    (result.seriesRead, result.samplesRead) = (generator.int(0...1000), generator.int(0...100_000))
    result.annotations.warn("PromQL warning: something (1:5)")
    result.annotations.inform("PromQL info: something (1:5)")
    return result
  }

  private static func messages(_ reduced: ReducedSeries?) -> [[UInt8]] {
    var writer = ReducedSeriesWriter(reduced)
    var messages: [[UInt8]] = []
    while let message = writer.message() { messages.append(message) }
    return messages
  }

  /// Everything of it, in words.
  private static func text(_ reduced: ReducedSeries?) -> String {
    guard let reduced else { return "nothing" }
    let fold = reduced.fold
    var lines = ["\(fold.rows) \(fold.ignoresHistograms) \(fold.names) \(reduced.seriesRead) \(reduced.samplesRead)"]
    lines += reduced.annotations.warnings + reduced.annotations.infos
    for (group, labels) in fold.labels.enumerated() {
      let parts = (0..<fold.width).map { fold.part(at: $0, of: group) }
      lines.append("\(labels) \(parts.map { "\($0.count) \($0.value.bitPattern) \($0.correction.bitPattern)" })")
    }
    return lines.joined(separator: "\n")
  }

  @Test("a reduction is read as it was written", arguments: ["sum(m)", "avg by (a, b) (rate({__name__=\"m\"}[5m]))"])
  func reductions(text: String) throws {
    let reduction = try Self.reduction(text)
    let again = try Self.decoded(Self.bytes(reduction))
    #expect(again.asked.text == text && again.asked.place == "(1:5)" && again.asked.steps == reduction.asked.steps)
    #expect(again.asked.lookback == 300_000 && again.asked.usesStarts && again.asked.rule == .both)
    #expect(again.aggregation == reduction.aggregation)
  }

  @Test(
    "what is not made of parts is no reduction",
    arguments: [
      "m", "sum(", "quantile(0.5, m)", "topk(2, m)", "sum(m) limit 2", "sum(m + 1)", "sum(m @ start())",
      "sum(rate(m[5m:1m]))", "sum(rate(m[step()]))", "sum(m{a=\"1\" or b=\"2\"})", "sum(absent_over_time(m[5m]))",
      "sum(quantile_over_time(scalar(x), m[5m]))", "sum(rate({a=\"b\"}[5m]))", "sum(m smoothed)",
      "sum(count_over_time(logs{} [5m]))", "sum(sum(m))",
    ])
  func refused(text: String) {
    let steps = Steps(start: 0, end: 1000, interval: 500)
    let asked = AskedExpression(text, place: "", steps: steps, lookback: 1, usesStarts: false, rule: .notReset)
    #expect(asked.flatMap { SeriesReduction($0) } == nil)
  }

  @Test("steps and lengths that no query has are refused")
  func bounds() throws {
    let good = Self.bytes(try Self.reduction("sum(m)"))
    // Behind the version, two texts and their lengths.
    let start = 1 + 7 + 6
    func with(_ value: Int64, at place: Int) -> [UInt8] {
      var bytes = good
      withUnsafeBytes(of: value.littleEndian) {
        bytes.replaceSubrange((start + 8 * place)..<(start + 8 * place + 8), with: $0)
      }
      return bytes
    }
    #expect(throws: Never.self) { try Self.decoded(good) }
    for (value, place) in [
      (Int64.min, 0), (Int64.max, 1), (0, 1), (0, 2), (-1, 2), (Int64.min, 2), (0, 3), (Int64.max, 3),
      (9_000_000_000_000_000, 1),
    ] {
      #expect(throws: MalformedBytes.self, "\(value) at \(place)") { try Self.decoded(with(value, at: place)) }
    }
  }

  @Test("what a reduction came to is read as it was written, in however many messages", arguments: 1...24)
  func states(seed: Int) throws {
    let operations = ["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"]
    let reduction = try Self.reduction("\(operations[seed % 8])(m)", steps: seed % 3 == 0 ? 1 : 900)
    let reduced = try Self.reduced(reduction, groups: seed % 5 == 0 ? 200 : seed % 7, seed: UInt64(seed))
    let messages = Self.messages(reduced)
    #expect(messages.allSatisfy { $0.count < 300_000 })
    var reader = ReducedSeriesReader(reduction, cellsMax: 200 * 900)
    for message in messages {
      #expect(!reader.isAtEnd)
      try reader.read(message)
    }
    #expect(reader.isAtEnd && Self.text(reader.result) == Self.text(reduced), "seed \(seed)")
    #expect(throws: MalformedBytes.self) { try reader.read(messages[0]) }
    var none = ReducedSeriesReader(reduction, cellsMax: 1)
    for message in Self.messages(nil) { try none.read(message) }
    #expect(none.isAtEnd && none.result == nil)
  }

  @Test("no more groups are taken than the query may hold, and none twice")
  func limits() throws {
    let reduction = try Self.reduction("sum(m)")
    let messages = Self.messages(try Self.reduced(reduction, groups: 3, seed: 1))
    var reader = ReducedSeriesReader(reduction, cellsMax: 20)
    #expect(throws: MalformedBytes.self) { for message in messages { try reader.read(message) } }
    var group = ByteWriter()
    for _ in 0..<2 {
      group.append(UInt8(1))
      group.appendVarint(0)
      group.append([UInt8(3), 0])
    }
    var twice = ReducedSeriesReader(reduction, cellsMax: 1000)
    #expect(throws: MalformedBytes.self) { try twice.read([1] + group.bytes) }
  }

  @Test("bytes that were cut or mutated are read or refused, and never more", arguments: 1...60)
  func mutated(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let reduction = try Self.reduction("stddev by (a) (rate(m{b!~\"x.*\"}[1m] offset 5s))")
    func mutate(_ bytes: [UInt8]) -> [UInt8] {
      var bytes = bytes
      if generator.oneIn(3) { bytes.removeLast(generator.int(0...bytes.count)) }
      for _ in 0..<generator.int(1...4) where !bytes.isEmpty {
        bytes[generator.int(0...bytes.count - 1)] = UInt8(truncatingIfNeeded: generator.random.next())
      }
      return bytes
    }
    let messages = Self.messages(try Self.reduced(reduction, groups: 4, seed: UInt64(seed)))
    for _ in 0..<50 {
      if let asked = try? Self.decoded(mutate(Self.bytes(reduction))) {
        #expect(asked.emptyFold != nil && asked.asked.steps.count <= AskedExpression.stepsMax)
      }
      var reader = ReducedSeriesReader(reduction, cellsMax: 1000)
      for message in messages where (try? reader.read(mutate(message))) == nil { break }
      // Whatever it was, it adds up with others, or says that it does not.
      if var sum = reader.result?.fold { try? sum.add(try Self.reduced(reduction, groups: 9, seed: 3).fold) }
    }
  }
}
