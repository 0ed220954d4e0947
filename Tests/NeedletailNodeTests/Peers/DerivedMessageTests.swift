import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailNode

@Suite("Messages of what nodes make of series for each other")
struct DerivedMessageTests {
  private static let steps = 300

  private static func derived(_ samplesRead: UInt64) throws -> DerivedSeries {
    var writer = ByteWriter()
    writer.appendVarint(samplesRead)
    writer.append([UInt8(1), 1, 2, 1])
    writer.appendPrefixed("a remark")
    return try writer.bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      return try DerivedSeries(decoding: &reader)
    }
  }

  /// Series of samples, and some that were worked out, of which some have no value.
  private static func columns(_ random: inout SeededGenerator) throws -> SeriesColumns {
    let samples = PeerMessageTests.columns(&random)
    var generator = TelemetryGenerator(seed: random.next())
    var histograms = HistogramGenerator(.anything, oddity: 5, &generator)
    var result = SeriesColumns()
    var histogram = 0
    for series in 0..<samples.count {
      let first = histogram
      let range = samples.offsets[series]..<samples.offsets[series + 1]
      while histogram < samples.histogramIndexes.count, samples.histogramIndexes[histogram] < range.upperBound {
        histogram += 1
      }
      if Bool.random(using: &random) {
        var derived = try Self.derived(UInt64(Int.random(in: 0...100_000, using: &random)))
        derived.series = result.count
        result.derived.append(derived)
        result.starts.append(0, from: result.timestamps.count)
        let density = Int.random(in: 0...9, using: &random)
        for step in 0..<Self.steps where Int.random(in: 0..<9, using: &random) < density {
          if Int.random(in: 0..<200, using: &random) == 0 {
            result.append(timestamp: Int64(step), histogram: histograms.next(&generator))
          } else {
            result.append(timestamp: Int64(step), value: Double(bitPattern: random.next()))
          }
        }
        result.finishSeries(LabelSet(["__name__": "m", "of": "series \(series)"]))
      } else {
        result.append(series, of: samples, histograms: first..<histogram)
      }
    }
    return result
  }

  private static func text(_ columns: SeriesColumns) -> [String] {
    zip(PeerMessageTests.text(columns), 0...).map { line, row in
      guard let derived = columns.derivation(of: row) else { return line }
      var writer = ByteWriter()
      derived.encode(to: &writer)
      return "\(line) \(writer.bytes)"
    }
  }

  @Test("series come back as they were, however they lie in messages and whenever they are taken", arguments: 1...20)
  func series(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let columns = try Self.columns(&random)
    var reader = SeriesMessageReader(stepCount: Self.steps)
    var found: [String] = []
    for message in PeerMessageTests.messages([columns]) {
      #expect(message.count < 2 * SeriesMessageWriter.messageBytes)
      try reader.read(message)
      if Bool.random(using: &random), let series = reader.takeSeries() { found += Self.text(series) }
    }
    if let series = reader.takeSeries() { found += Self.text(series) }
    #expect(found == Self.text(columns))
    #expect(reader.isAtEnd)
    // Whoever did not ask for it does not take it.
    guard !columns.derived.isEmpty else { return }
    var other = SeriesMessageReader()
    #expect(throws: MalformedBytes.self) {
      for message in PeerMessageTests.messages([columns]) { try other.read(message) }
    }
  }

  @Test("a message that was cut or changed is refused or read, and has no value beyond the steps", arguments: 1...6)
  func damaged(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let messages = try (0..<4).map { _ in PeerMessageTests.messages([try Self.columns(&random)]) }.joined()
    for original in messages.map({ Array($0.prefix(1500)) }) {
      for _ in 0..<40 {
        var bytes = original
        if Int.random(in: 0..<3, using: &random) == 0 {
          bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
        }
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          guard let place = bytes.indices.randomElement(using: &random) else { continue }
          bytes[place] = UInt8.random(in: 0...255, using: &random)
        }
        var reader = SeriesMessageReader(stepCount: Self.steps)
        try? reader.read(bytes)
        guard let series = reader.takeSeries() else { continue }
        for derived in series.derived {
          let values = series.offsets[derived.series]..<series.offsets[derived.series + 1]
          #expect(series.timestamps[values].allSatisfy { (0..<Int64(Self.steps)).contains($0) })
        }
      }
    }
  }

  @Test("values at steps that were not asked for, twice, or amid samples are refused")
  func refused() throws {
    func read(_ records: (inout ByteWriter) -> Void) throws {
      var writer = ByteWriter()
      writer.append(SeriesMessageWriter.version)
      writer.append(UInt8(1))
      LabelSet(["__name__": "m"]).withUnsafeBytes { writer.appendPrefixed($0) }
      records(&writer)
      writer.append(UInt8(4))
      var reader = SeriesMessageReader(stepCount: 3)
      try reader.read(writer.bytes)
    }
    func begin(_ writer: inout ByteWriter) { writer.append([UInt8(6), 9, 0, 0]) }
    func numbers(_ writer: inout ByteWriter, gap: UInt64, count: Int) {
      writer.append(UInt8(7))
      writer.appendVarint(gap)
      writer.appendVarint(UInt64(count))
      for _ in 0..<count { writer.append(UInt64(0)) }
    }
    func sample(_ writer: inout ByteWriter) {
      writer.append([UInt8(2), 1, 2])
      writer.append(UInt64(0))
      writer.append(UInt8(0))
    }
    try read { begin(&$0) }
    try read {
      begin(&$0)
      numbers(&$0, gap: 0, count: 1)
      numbers(&$0, gap: 1, count: 1)
    }
    try read { sample(&$0) }
    let bad: [(inout ByteWriter) -> Void] = [
      { numbers(&$0, gap: 0, count: 1) },
      {
        begin(&$0)
        begin(&$0)
      },
      {
        begin(&$0)
        numbers(&$0, gap: 0, count: 4)
      },
      {
        begin(&$0)
        numbers(&$0, gap: 3, count: 1)
      },
      {
        begin(&$0)
        numbers(&$0, gap: .max, count: 1)
      },
      {
        begin(&$0)
        numbers(&$0, gap: 0, count: 2)
        numbers(&$0, gap: 0, count: 2)
      },
      {
        begin(&$0)
        sample(&$0)
      },
      {
        sample(&$0)
        begin(&$0)
      },
      {
        sample(&$0)
        numbers(&$0, gap: 0, count: 1)
      },
    ]
    for (place, records) in bad.enumerated() {
      #expect(throws: MalformedBytes.self, "\(place)") { try read(records) }
    }
  }
}
