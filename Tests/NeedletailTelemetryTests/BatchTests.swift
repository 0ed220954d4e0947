import NeedletailTelemetry
import NeedletailTestSupport
import Testing

/// One row of a batch, as plain values.
private struct Row: Equatable {
  var id: SeriesID
  var start: Int64?
  var samples: [Sample]
}

@Suite("Series batches")
struct BatchTests {
  private func rows(_ generator: inout TelemetryGenerator) -> [Row] {
    let hasStarts = generator.oneIn(2)
    let oneEach = generator.oneIn(3)
    let sharedTime = generator.oneIn(3) ? Int64(generator.int(0...1000)) : nil
    return (0..<generator.int(1...20)).map { _ in
      let samples = (0..<(oneEach ? 1 : generator.int(0...4))).map { _ in
        Sample(
          timestampMilliseconds: sharedTime ?? Int64(bitPattern: generator.random.next()),
          value: Double(bitPattern: generator.valueBits()))
      }
      return Row(
        id: SeriesID(generator.labelSet(), tenant: .default),
        start: hasStarts && generator.oneIn(2) ? Int64(generator.int(1...99)) : nil, samples: samples)
    }
  }

  private func build(_ rows: [Row], _ generator: inout TelemetryGenerator) -> SeriesBatch? {
    var builder = SeriesBatchBuilder()
    for row in rows {
      builder.beginSeries(row.id, startTimestamp: row.start)
      for sample in row.samples {
        builder.append(timestamp: sample.timestampMilliseconds, valueBits: sample.value.bitPattern)
      }
      if generator.oneIn(4) { builder.append(timestamp: 5, histogram: generator.histogram()) }
      if generator.oneIn(4) {
        builder.append(exemplar: Exemplar(timestampMilliseconds: 7, value: 1, labels: generator.labelSet()))
      }
    }
    return builder.build(tenant: .default, batchID: Hash128(high: 3, low: 4))
  }

  @Test("rows added in bulk make the frame that they make one by one", arguments: 1...60)
  func bulk(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var single = SeriesBatchBuilder()
    var mixed = SeriesBatchBuilder()
    for _ in 0..<generator.int(1...6) {
      for row in rows(&generator) where seed % 2 == 0 {
        single.beginSeries(row.id, startTimestamp: row.start)
        mixed.beginSeries(row.id, startTimestamp: row.start)
        for sample in row.samples {
          single.append(timestamp: sample.timestampMilliseconds, valueBits: sample.value.bitPattern)
          mixed.append(timestamp: sample.timestampMilliseconds, valueBits: sample.value.bitPattern)
        }
      }
      let count = generator.int(0...9)
      let words = (0..<(2 * count)).map { _ in generator.random.next() }
      let times = (0..<count).map { _ in Int64(generator.int(0...3)) }
      let bits = (0..<count).map { _ in generator.valueBits() }
      for row in 0..<count {
        single.beginSeries(SeriesID(Hash128(high: words[2 * row + 1], low: words[2 * row])))
        single.append(timestamp: times[row], valueBits: bits[row])
      }
      words.withUnsafeBufferPointer { words in
        times.withUnsafeBufferPointer { times in
          bits.withUnsafeBufferPointer { mixed.append(oneEach: words, timestamps: times, values: $0) }
        }
      }
    }
    #expect(single.seriesCount == mixed.seriesCount && single.byteCountEstimate == mixed.byteCountEstimate)
    let id = Hash128(high: 3, low: 4)
    #expect(
      single.build(tenant: .default, batchID: id)?.frame.bytes
        == mixed.build(tenant: .default, batchID: id)?.frame.bytes)
  }

  @Test("a batch comes back from its bytes, to the bit", arguments: 1...60)
  func roundTrip(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let sent = rows(&generator)
    let built = build(sent, &generator)
    let batch = try #require(built)
    let read = try batch.frame.bytes.withUnsafeBytes { try SeriesBatch(validating: Frame(validating: $0)) }
    #expect(read.tenant == .default)
    #expect(read.frame.batchID == Hash128(high: 3, low: 4))
    let received = read.withRows { rows in
      (0..<rows.seriesCount).map { row in
        Row(
          id: rows.seriesID(row), start: rows.startTimestamp(row),
          samples: rows.samples(of: row).map {
            Sample(timestampMilliseconds: rows.timestamp($0), value: Double(bitPattern: rows.valueBits($0)))
          })
      }
    }
    #expect(received == sent, "seed \(seed)")
    #expect(read.sampleCount == sent.reduce(0) { $0 + $1.samples.count })
  }

  @Test("a frame with any flipped bit or cut anywhere is refused", arguments: 1...10)
  func damagedFrames(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let sent = rows(&generator)
    let built = build(sent, &generator)
    let bytes = try #require(built).frame.bytes
    for _ in 0..<300 {
      var damaged = bytes
      damaged[generator.int(0...bytes.count - 1)] ^= 1 << UInt8(generator.int(0...7))
      _ = damaged.withUnsafeBytes { bytes in
        #expect(throws: MalformedBytes.self, "seed \(seed)") { _ = try Frame(validating: bytes) }
      }
    }
    for count in 0..<min(bytes.count, 200) {
      _ = bytes.withUnsafeBytes { bytes in
        #expect(throws: MalformedBytes.self) {
          _ = try Frame(validating: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
      }
    }
  }

  @Test("columns that lie about each other, under a right checksum, are refused or safe to read", arguments: 1...40)
  func lyingColumns(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 100)
    for _ in 0..<100 {
      var builder = FrameBuilder()
      for column in 1...9 where generator.oneIn(2) {
        let unit = generator.pick([1, 4, 8, 16, 24, 32])
        builder.add(UInt8(column), generator.bytes(unit * generator.int(0...4)).map { generator.oneIn(2) ? 0 : $0 })
      }
      let built = builder.build(
        kind: generator.pick([.seriesSamples, .seriesDefinitions]), tenant: .default, rowCount: generator.int(0...4),
        batchID: Hash128(high: 0, low: 0))
      let frame = try #require(built)
      if let batch = try? SeriesBatch(validating: frame) { read(batch) }
      if let definitions = try? SeriesDefinitions(validating: frame) {
        try? definitions.forEachSeries { _, _ in }
        try? definitions.forEachMetric { _, _ in }
      }
    }
  }

  /// Touches every row of a batch.
  private func read(_ batch: SeriesBatch) {
    batch.withRows { rows in
      for row in 0..<rows.seriesCount {
        for sample in rows.samples(of: row) { _ = (rows.timestamp(sample), rows.valueBits(sample)) }
        _ = (rows.seriesID(row), rows.startTimestamp(row))
      }
      for index in 0..<rows.histogramCount { #expect(rows.histogram(index).row < rows.seriesCount) }
      for index in 0..<rows.exemplarCount { #expect(rows.exemplar(index).row < rows.seriesCount) }
    }
  }

  @Test("definitions whose labels do not hash to their identity are refused")
  func wrongIdentity() throws {
    var builder = SeriesDefinitionsBuilder()
    builder.append(SeriesID(LabelSet(["a": "1"]), tenant: .default), labels: LabelSet(["a": "2"]))
    let built = builder.build(tenant: .default)
    let definitions = try #require(built)
    #expect(throws: MalformedBytes.self) { try definitions.forEachSeries { _, _ in } }
  }

  @Test("histograms come back from their bytes, to the bit", arguments: 1...100)
  func histograms(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let histogram = generator.histogram()
    var writer = ByteWriter()
    histogram.encode(to: &writer)
    let bytes = writer.bytes
    #expect(histogram.byteCount == bytes.count)
    try bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      var again = ByteWriter()
      try NativeHistogram(decoding: &reader).encode(to: &again)
      #expect(reader.isAtEnd)
      #expect(again.bytes == Array(bytes))
    }
    for _ in 0..<200 {
      var damaged = bytes
      damaged[generator.int(0...bytes.count - 1)] = UInt8(truncatingIfNeeded: generator.random.next())
      damaged.removeLast(generator.int(0...2))
      damaged.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        guard let decoded = try? NativeHistogram(decoding: &reader) else { return }
        #expect(decoded.positiveBuckets.count == decoded.positiveSpans.reduce(0) { $0 + Int($1.length) })
      }
    }
  }

  @Test("numbers come back from varints, and varints of more than 64 bits are refused")
  func varints() throws {
    for value in [0, 1, 127, 128, 16_383, 16_384, UInt64(UInt32.max), .max - 1, .max] {
      var writer = ByteWriter()
      writer.appendVarint(value)
      writer.appendSignedVarint(Int64(bitPattern: value))
      try writer.bytes.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        let (one, other) = (try reader.readVarint(), try reader.readSignedVarint())
        #expect(one == value)
        #expect(other == Int64(bitPattern: value))
      }
    }
    for bad in [[UInt8](repeating: 0xff, count: 9) + [2], [UInt8](repeating: 0x80, count: 11)] {
      bad.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        #expect(throws: MalformedBytes.varintTooLong) { _ = try reader.readVarint() }
      }
    }
  }
}
