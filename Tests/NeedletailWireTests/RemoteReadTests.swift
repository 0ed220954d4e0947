import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailWire

@Suite("Remote read")
struct RemoteReadTests {
  // MARK: Requests

  private func request(_ body: (inout ProtobufWriter) -> Void) throws -> RemoteReadRequest {
    var writer = ProtobufWriter()
    body(&writer)
    return try writer.bytes.withUnsafeBytes { try RemoteReadRequest($0) }
  }

  private func query(
    _ writer: inout ProtobufWriter, _ start: Int64, _ end: Int64, _ matchers: [(UInt64, String, String)]
  ) {
    writer.field(1) { query in
      query.field(1, int64: start)
      query.field(2, int64: end)
      for (type, name, value) in matchers {
        query.field(3) { matcher in
          if type > 0 { matcher.field(1, varint: type) }
          matcher.field(2, string: name)
          matcher.field(3, string: value)
        }
      }
      // Hints, which are read over.
      query.field(4) { hints in hints.field(2, string: "rate") }
    }
  }

  @Test("several queries with matchers of all four kinds are read, and their hints are read over")
  func requests() throws {
    let request = try request { writer in
      query(&writer, -5, 9, [(0, "__name__", "up"), (1, "a", "b"), (2, "c", "d.*"), (3, "e", "f|g")])
      query(&writer, 1, 0, [])
    }
    #expect(request.answerType == .samples && request.queries.map(\.start) == [-5, 1])
    #expect(request.queries.map(\.end) == [9, 0] && request.queries[1].matchers.isEmpty)
    #expect(
      request.queries[0].matchers.map(\.description) == [#"__name__="up""#, #"a!="b""#, #"c=~"d.*""#, #"e!~"f|g""#])
  }

  @Test("the first answer that the client takes and that is known is given, packed or not")
  func answerTypes() throws {
    #expect(try request { $0.field(2, varint: 1) }.answerType == .chunks)
    #expect(try request { $0.field(2, varint: 0) }.answerType == .samples)
    #expect(try request { $0.field(2, bytes: [7, 1, 0]) }.answerType == .chunks)
    #expect(try request { $0.field(2, bytes: [0, 1]) }.answerType == .samples)
    #expect(try request { _ in }.answerType == .samples)
    #expect(throws: RemoteReadError.refused("none of the requested response types is known")) {
      try request { $0.field(2, bytes: [7, 8]) }
    }
  }

  @Test("what is no request, asks for too much or has a wrong expression is refused, and says why")
  func refusals() {
    #expect(throws: RemoteReadError.malformed(.truncated)) { try request { $0.raw([0x0a, 5, 1]) } }
    #expect(throws: RemoteReadError.refused("more than 64 queries in a request")) {
      try request { writer in for _ in 0...64 { query(&writer, 0, 1, []) } }
    }
    #expect(throws: RemoteReadError.refused("more than 1024 matchers in a query")) {
      try request { query(&$0, 0, 1, Array(repeating: (0, "a", "b"), count: 1025)) }
    }
    #expect(throws: RemoteReadError.refused("matcher type 4 is not known")) {
      try request { query(&$0, 0, 1, [(4, "a", "b")]) }
    }
    #expect(throws: RemoteReadError.self) { try request { query(&$0, 0, 1, [(2, "a", "(")]) } }
    let patterns = (0..<129).map { (2, "a", "b\($0)") as (UInt64, String, String) }
    #expect(throws: RemoteReadError.refused("more than 256 regular expressions in a request, or 65536 bytes of them")) {
      try request { writer in for _ in 0..<2 { query(&writer, 0, 1, patterns) } }
    }
  }

  @Test("no request stops the process, whatever is done to it", arguments: 0..<20 as Range<UInt64>)
  func mutations(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var writer = ProtobufWriter()
    query(&writer, 5, 1 << 50, [(0, "__name__", "up"), (2, "c", "d.*")])
    writer.field(2, bytes: [1, 0])
    for _ in 0..<400 {
      var bytes = writer.bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8(truncatingIfNeeded: generator.next())
      }
      if generator.next() % 4 == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
      _ = try? bytes.withUnsafeBytes { try RemoteReadRequest($0) }
    }
  }

  // MARK: Answers

  private func series(_ samples: [(Int64, Double)], _ histograms: [(Int64, NativeHistogram)] = []) -> RemoteReadSeries {
    var series = RemoteReadSeries(labels: LabelSet(["__name__": "m", "é": "\"x\""]))
    (series.times, series.values) = (samples.map(\.0), samples.map(\.1))
    (series.histogramTimes, series.histograms) = (histograms.map(\.0), histograms.map(\.1))
    return series
  }

  @Test("the checksum of frames is Castagnoli's")
  func checksum() {
    #expect(CRC32C.of(Array("123456789".utf8)[...]) == 0xe306_9283)
    #expect(CRC32C.of([]) == 0)
  }

  @Test("a chunk of floats is byte for byte what Prometheus makes of the same samples")
  func knownChunk() {
    // `promtool tsdb create-blocks-from openmetrics` of these samples, asked back from a Prometheus 2.42.
    let nan = Double(bitPattern: 0x7ff8_0000_0000_0001)
    let samples: [(Int64, Double)] = [
      (1_000, 1), (2_000, 1), (3_000, 2), (4_500, nan), (4_501, -0.0), (4_502, 1e300), (100_000, 3.5),
      (1_000_000, 3.25), (1_015_000, 3.25),
    ]
    let known =
      "0009d00f3ff0000000000000e8073097ffe07d317dffc000000000000dd12e003ffe00000000000057f1bf21e44003ace70ba84c7c77c8"
      + "791000eb39e0000000000188d2d00030000000000007fffffffffff93f7c00"
    var writer = FloatChunkWriter()
    for (time, value) in samples { writer.append(time, value) }
    let chunk = writer.take()
    #expect(chunk?.first == 1_000 && chunk?.last == 1_015_000 && chunk?.encoding == .xor)
    let digits = chunk?.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    #expect(digits == known)
    #expect(writer.take() == nil)
  }

  @Test("floats come back to the bit, whatever their times and values", arguments: 0..<12 as Range<UInt64>)
  func floats(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var time = Int64(truncatingIfNeeded: generator.next() % (1 << 42)) - (1 << 41)
    var value = 0.0
    var samples: [(Int64, Double)] = []
    for _ in 0..<Int.random(in: 0...700, using: &generator) {
      switch generator.next() % 6 {
      case 0: time += Int64(generator.next() % (1 << 40)) + 1
      case 1: time += Int64(generator.next() % 20_000) + 1
      default: time += 15_000
      }
      switch generator.next() % 6 {
      case 0: value = Double(bitPattern: generator.next())
      case 1: value += 1
      case 2: value = Double(bitPattern: StaleMarker.value.bitPattern)
      default: break
      }
      samples.append((time, value))
    }
    var bytes: [UInt8] = []
    RemoteReadAnswer.appendFrames(series(samples), queryIndex: 3, to: &bytes)
    let read = try RemoteReadChunks(bytes)
    guard !samples.isEmpty else {
      #expect(bytes.isEmpty)
      return
    }
    #expect(read.series.count == 1 && read.series[0].query == 3)
    #expect(read.series[0].labels == ["__name__": "m", "é": "\"x\""])
    let found = try read.series[0].floats()
    #expect(found.map(\.time) == samples.map(\.0))
    #expect(found.map(\.value.bitPattern) == samples.map(\.1.bitPattern))
    for chunk in read.series[0].chunks {
      let part = try ChunkReader.floats(chunk.bytes)
      #expect(part.count <= 120 && part.first?.time == chunk.first && part.last?.time == chunk.last)
    }
  }

  @Test(
    "histograms come back equal, and no chunk has a reset or another layout within",
    arguments: HistogramGenerator.Style.allCases, 0..<6 as Range<UInt64>)
  func histograms(style: HistogramGenerator.Style, seed: UInt64) throws {
    var generator = TelemetryGenerator(seed: seed)
    var histograms = HistogramGenerator(style, oddity: 12, &generator)
    let samples = (0..<200).map { (Int64($0) * 1000, histograms.next(&generator)) }
    let valid = samples.filter { $0.1.positiveSpans.allSatisfy { $0.length < 100 } }
    var bytes: [UInt8] = []
    RemoteReadAnswer.appendFrames(series([], valid), queryIndex: 0, to: &bytes)
    let found = try RemoteReadChunks(bytes).series[0].histograms()
    #expect(found.map(\.time) == valid.map(\.0))
    for (index, (one, other)) in zip(found, valid).enumerated() {
      var (read, written) = (one.histogram, other.1)
      // Of hints only what the chunk can say comes back.
      if written.resetHint == .gauge || written.resetHint == .reset { #expect(read.resetHint == written.resetHint) }
      (read.resetHint, written.resetHint) = (.unknown, .unknown)
      func bytes(_ histogram: NativeHistogram) -> [UInt8] {
        var histogram = histogram
        if histogram.zeroThreshold == 0 { histogram.zeroThreshold = 0 }
        var writer = ByteWriter()
        histogram.encode(to: &writer)
        return writer.bytes
      }
      #expect(bytes(read) == bytes(written), "\(index) of seed \(seed)")
    }
  }

  @Test("floats and histograms of one series are chunks one behind the other, in the order of time")
  func mixed() throws {
    let histogram = NativeHistogram(
      schema: 0, count: 3, sum: 4, positiveSpans: [.init(offset: 0, length: 1)], positiveBuckets: [3])
    let mixed = series([(1, 1), (2, 2), (5, 5)], [(3, histogram), (4, histogram)])
    let chunks = RemoteReadAnswer.chunks(mixed)
    #expect(chunks.map(\.encoding) == [.xor, .floatHistogram, .xor])
    #expect(chunks.map(\.first) == [1, 3, 5] && chunks.map(\.last) == [2, 4, 5])
    var fallen = histogram
    (fallen.count, fallen.positiveBuckets) = (2, [2])
    #expect(RemoteReadAnswer.chunks(series([], [(1, histogram), (2, fallen), (3, fallen)])).map(\.first) == [1, 2])
    var gauge = fallen
    gauge.resetHint = .gauge
    var other = histogram
    other.resetHint = .gauge
    #expect(RemoteReadAnswer.chunks(series([], [(1, other), (2, gauge)])).count == 1, "a gauge may fall")
  }

  @Test("a long series is several frames, none much larger than the limit")
  func frames() throws {
    var generator = SeededGenerator(seed: 1)
    let samples = (0..<200_000).map { (Int64($0) * 977, Double(bitPattern: generator.next())) }
    var bytes: [UInt8] = []
    RemoteReadAnswer.appendFrames(series(samples), queryIndex: 0, to: &bytes)
    let read = try RemoteReadChunks(bytes)
    #expect(read.frameCount > 1 && read.series.count == 1)
    #expect(try read.series[0].floats().count == samples.count)
  }

  @Test("an answer of samples is what a reader of the wire format finds in it")
  func samples() throws {
    let histogram = NativeHistogram(
      schema: -1, zeroThreshold: 0.5, zeroCount: 1, count: 4, sum: 9, resetHint: .gauge,
      positiveSpans: [.init(offset: -2, length: 2)], positiveBuckets: [1, 2])
    var writer = ProtobufWriter()
    RemoteReadAnswer.append(series([(-7, 1.5)], [(8, histogram)]), to: &writer)
    // The same message as remote write has, whose decoder reads it back.
    let fields = try WireTree(writer.bytes).fields
    #expect(fields.count == 1)
    guard case .bytes(let series) = fields[0].value else { return #expect(Bool(false)) }
    let parts = try WireTree(series).fields
    #expect(parts.map(\.number) == [1, 1, 2, 4])
    guard case .bytes(let encoded) = parts[3].value else { return #expect(Bool(false)) }
    let outcome = try encoded.withUnsafeBytes { try RemoteWriteHistogram.decode($0) }
    guard case .valid(let read, let time) = outcome else { return #expect(Bool(false)) }
    #expect(read == histogram && time == 8)
    #expect(
      parts[2].value
        == .bytes([9, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 16, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]))
  }
}
