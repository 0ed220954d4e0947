import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailBlocks

/// Columns of native histograms come back byte for byte, and garbage never traps.
@Suite struct HistogramColumnTests {
  /// Histograms in flat memory.
  private struct Run {
    var times: [Int64] = []
    var bytes: [UInt8] = []
    var ends: [Int] = []

    mutating func append(_ time: Int64, _ histogram: [UInt8]) {
      times.append(time)
      bytes += histogram
      ends.append(bytes.count)
    }

    mutating func append(_ time: Int64, _ histogram: NativeHistogram) {
      var writer = ByteWriter()
      histogram.encode(to: &writer)
      append(time, writer.bytes)
    }

    func histogram(_ index: Int) -> [UInt8] { Array(bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]) }

    var encoded: [UInt8] {
      var output: [UInt8] = []
      times.withUnsafeBufferPointer { times in
        bytes.withUnsafeBytes { bytes in
          ends.withUnsafeBufferPointer { ends in
            HistogramColumn.encode(HistogramRows(times: times, bytes: bytes, ends: ends), to: &output)
          }
        }
      }
      return output
    }
  }

  private func run(
    _ style: HistogramGenerator.Style, count: Int, oddity: Int, _ generator: inout TelemetryGenerator
  ) -> Run {
    var histograms = HistogramGenerator(style, oddity: oddity, &generator)
    var run = Run()
    var time = Int64(generator.int(0...1_000_000))
    for _ in 0..<count {
      run.append(time, histograms.next(&generator))
      time = generator.oneIn(50) ? Int64(bitPattern: generator.random.next()) : time &+ 15_000
    }
    return run
  }

  private func run(seed: UInt64) -> Run {
    var generator = TelemetryGenerator(seed: seed)
    return run(
      generator.pick(HistogramGenerator.Style.allCases), count: generator.int(0...generator.pick([1, 5, 40, 300])),
      oddity: generator.pick([4, 30, 1_000_000]), &generator)
  }

  /// Decodes bytes in memory of their own, so that reading behind their end is seen by AddressSanitizer.
  private func decoded(_ bytes: [UInt8], from start: Int64 = .min, to end: Int64 = .max) throws -> Run {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { memory.deallocate() }
    memory.copyBytes(from: bytes)
    var run = Run()
    try HistogramColumn.decodeBytes(UnsafeRawBufferPointer(memory), from: start, to: end) { run.append($0, Array($1)) }
    var values = Run()
    try HistogramColumn.decode(UnsafeRawBufferPointer(memory), from: start, to: end) { values.append($0, $1) }
    // What is not in the one byte form that there is differs, and is passed on as it came.
    #expect(values.times == run.times && (values.bytes == run.bytes || bytes[0] == 0))
    return run
  }

  @Test("Histograms of every kind come back byte for byte", arguments: 0..<20 as Range<UInt64>)
  func everyKind(part: UInt64) throws {
    for seed in (part * 40)..<(part * 40 + 40) {
      let run = run(seed: seed)
      let encoded = run.encoded
      let back = try decoded(encoded)
      #expect(back.times == run.times && back.bytes == run.bytes && back.ends == run.ends, "seed \(seed)")
      #expect(encoded.count <= run.bytes.count + 13 * run.times.count + 12, "seed \(seed)")
    }
  }

  @Test("Of a range those within it come back, and no others", arguments: 0..<20 as Range<UInt64>)
  func ranges(seed: UInt64) throws {
    let run = run(seed: seed &+ 50_000)
    let encoded = run.encoded
    var generator = TelemetryGenerator(seed: seed)
    for _ in 0..<10 {
      let bounds = [0, 1].map { _ in run.times.isEmpty ? 0 : generator.pick(run.times) }.sorted()
      let back = try decoded(encoded, from: bounds[0], to: bounds[1])
      var expected = Run()
      for (index, time) in run.times.enumerated() where time >= bounds[0] && time <= bounds[1] {
        expected.append(time, run.histogram(index))
      }
      #expect(back.times == expected.times && back.bytes == expected.bytes)
    }
  }

  @Test("Bytes that are no histogram, or one in a longer form, come back as they are")
  func otherBytes() throws {
    let histogram = NativeHistogram(
      schema: 1, count: 3, sum: 1, positiveSpans: [.init(offset: 0, length: 1)], positiveBuckets: [3])
    var run = Run()
    run.append(1, histogram)
    var long = run.bytes
    // The number of spans as two bytes.
    long.replaceSubrange(35...35, with: [0x81, 0])
    run.append(2, long)
    #expect(run.encoded[0] == 0)
    let back = try decoded(run.encoded)
    #expect(back.bytes == run.bytes && back.ends == run.ends)
    for other in [[], [1], Array(run.bytes.prefix(40)), run.histogram(0) + [0]] {
      var run = run
      run.append(3, other)
      let encoded = run.encoded
      #expect(encoded[0] == 0)
      #expect((try? decoded(encoded))?.bytes ?? run.bytes == run.bytes)
    }
  }

  /// A latency histogram of `count` samples with about 40 buckets, 200 requests a sample.
  private func latencies(count: Int, scale: Double) -> Run {
    var random = SeededGenerator(seed: 7)
    var buckets = [Double](repeating: 0, count: 40)
    var run = Run()
    for index in 0..<count {
      for _ in 0..<200 {
        let bucket = (0..<4).reduce(0) { sum, _ in sum + Int.random(in: 0..<10, using: &random) }
        buckets[bucket] += scale
      }
      run.append(
        Int64(index) * 15_000,
        NativeHistogram(
          schema: 3, zeroThreshold: 0x1p-128, count: buckets.reduce(0, +), sum: buckets.reduce(0, +) * 0.02,
          positiveSpans: [.init(offset: -40, length: 40)], positiveBuckets: buckets))
    }
    return run
  }

  @Test("Buckets that count take little more than their noise, also where stale markers are between")
  func sizes() throws {
    let run = latencies(count: 240, scale: 1)
    #expect(run.encoded[0] == 1)
    // 40 buckets of about 4 bits each, and a sum.
    #expect(run.encoded.count < 240 * 30, "\(run.encoded.count)")
    // Of floats that come again, each is written once.
    let fractions = latencies(count: 240, scale: 0.1)
    #expect(fractions.encoded[0] == 2 && fractions.encoded.count < 240 * 150, "\(fractions.encoded.count)")
    var interrupted = Run()
    for index in run.times.indices {
      interrupted.append(run.times[index], run.histogram(index))
      if index % 60 == 30 {
        interrupted.append(run.times[index] + 1, NativeHistogram(schema: 3, count: 0, sum: StaleMarker.value))
      }
    }
    #expect(interrupted.encoded.count < run.encoded.count + 400, "\(interrupted.encoded.count)")
  }

  @Test("A column that ends early is refused at every length")
  func truncated() {
    for seed in UInt64(0)..<20 {
      let bytes = run(seed: seed).encoded
      for length in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 150)) {
        #expect((try? decoded(Array(bytes.prefix(length)))) == nil, "seed \(seed), \(length) of \(bytes.count) bytes")
      }
      #expect((try? decoded(bytes + [0])) == nil)
    }
  }

  @Test("Mutated bytes give histograms or an error, never a trap", arguments: 0..<10 as Range<UInt64>)
  func mutated(part: UInt64) {
    for seed in (part * 60)..<(part * 60 + 60) {
      var random = SeededGenerator(seed: seed)
      var bytes = run(seed: seed).encoded
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(
          in: 0..<(Bool.random(using: &random) ? min(60, bytes.count) : bytes.count), using: &random)
        bytes[place] = Bool.random(using: &random) ? .random(in: 0...255, using: &random) : bytes[place] ^ 0x81
      }
      bytes[0] &= 3
      guard let run = try? decoded(bytes) else { continue }
      #expect(bytes[0] == 0 || run.bytes.count <= HistogramColumn.bytesMax, "seed \(seed)")
    }
  }

  @Test("Few bytes that claim many histograms or buckets are refused before they cost memory")
  func bombs() {
    // A million histograms in an exact rhythm; then one layout for all of them.
    var many: [UInt8] = [2, 1]
    many.appendVarint(1 << 20)
    #expect((try? decoded(many + [0, 0, 1, 3] + [UInt8](repeating: 0, count: 40))) == nil)
    var wide: [UInt8] = [2, 1, 20, 0, 0, 1, 3] + [UInt8](repeating: 0, count: 8)
    // Each of twenty with 16,384 buckets.
    wide += [1, 0, 0x80, 0x80, 0x01, 0, 0, 0, 20, 20 << 2]
    #expect((try? decoded(wide + [1, 20] + [UInt8](repeating: 0, count: 8))) == nil)
  }
}
