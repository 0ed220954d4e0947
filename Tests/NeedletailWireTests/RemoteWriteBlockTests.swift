import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailWire

/// The fast path of remote write against the general one: whatever the bytes, both come to the same.
@Suite struct RemoteWriteBlockTests {
  /// What a decoder makes of a body, in full.
  private struct Outcome: Equatable {
    var error: String?
    var batches: [[UInt8]] = []
    var points: [Int] = []
    var definitions: [[UInt8]] = []
    var rejections: [RejectionReason: Int] = [:]
    var warnings: [RejectionReason: Int] = [:]
    var first: String?
    var counts: [Int] = []
  }

  private func outcome(
    _ body: [UInt8], _ resolver: SeriesResolver, _ limits: SeriesLimits, tenant: TenantID, inBlocks: Bool
  ) -> Outcome {
    let decoding = SeriesDecoding(
      tenant: tenant, batchID: Hash128(high: 1, low: 2), resolver: resolver, limits: limits)
    do {
      let decoded = try body.withUnsafeBytes {
        try RemoteWriteDecoder.decode($0, decoding, inBlocks: inBlocks)
      }
      return Outcome(
        batches: decoded.batches.map(\.frame.bytes), points: decoded.batchPointCounts,
        definitions: decoded.definitions.map(\.frame.bytes), rejections: decoded.rejections.counts,
        warnings: decoded.rejections.warnings, first: decoded.rejections.first,
        counts: [decoded.sampleCount, decoded.histogramCount, decoded.exemplarCount])
    } catch {
      return Outcome(error: "\(error)")
    }
  }

  private func varint(_ value: UInt64, to bytes: inout [UInt8], _ generator: inout SeededGenerator) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    // Now and then in more bytes than are needed, which is allowed.
    if generator.next() % 50 == 0 {
      bytes += [UInt8(truncatingIfNeeded: rest) | 0x80, 0]
    } else {
      bytes.append(UInt8(truncatingIfNeeded: rest))
    }
  }

  private func field(_ number: UInt8, _ payload: [UInt8], to bytes: inout [UInt8], _ generator: inout SeededGenerator) {
    bytes.append(number << 3 | 2)
    varint(UInt64(payload.count), to: &bytes, &generator)
    bytes += payload
  }

  private func label(_ name: String, _ value: String, _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    field(1, Array(name.utf8), to: &bytes, &generator)
    field(2, Array(value.utf8), to: &bytes, &generator)
    return bytes
  }

  private func sample(_ generator: inout SeededGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    if generator.next() % 8 != 0 {
      bytes.append(0x09)
      withUnsafeBytes(of: generator.next().littleEndian) { bytes += $0 }
    }
    switch generator.next() % 8 {
    case 0: break
    case 1:
      bytes.append(0x10)
      varint(generator.next() >> (generator.next() % 64), to: &bytes, &generator)
    default:
      bytes.append(0x10)
      varint(1_700_000_000_000 + generator.next() % 100_000, to: &bytes, &generator)
    }
    return bytes
  }

  /// A series of the given number, nearly always of the common shape.
  private func series(_ number: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    if number % 29 != 7 { field(1, label("__name__", "m\(number % 5)", &generator), to: &bytes, &generator) }
    let long = String(repeating: "x", count: number % 11 == 3 ? 200 : number % 7)
    // What stands for a number is the same each time but for its length's encoding.
    var fixed = SeededGenerator(seed: UInt64(number))
    field(1, label("instance", "host-\(number)" + long, &fixed), to: &bytes, &fixed)
    if number % 31 == 5 { field(1, label("instance", "again", &fixed), to: &bytes, &fixed) }
    switch generator.next() % 24 {
    case 0: break
    case 1: for _ in 0..<3 { field(2, sample(&generator), to: &bytes, &generator) }
    case 2:
      field(2, sample(&generator), to: &bytes, &generator)
      field(1, label("late", "l", &generator), to: &bytes, &generator)
    case 3:
      field(2, sample(&generator), to: &bytes, &generator)
      var exemplar: [UInt8] = []
      field(1, label("trace_id", "t", &generator), to: &exemplar, &generator)
      field(3, exemplar, to: &bytes, &generator)
    case 4:
      field(2, sample(&generator), to: &bytes, &generator)
      field(9, [1, 2, 3], to: &bytes, &generator)
    default: field(2, sample(&generator), to: &bytes, &generator)
    }
    return bytes
  }

  private func body(_ numbers: [Int], _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    for number in numbers {
      field(1, series(number, &generator), to: &bytes, &generator)
      if generator.next() % 60 == 0 {
        field(3, [0x08, 1] + label("", "m\(number % 5)", &generator).dropFirst(2), to: &bytes, &generator)
      }
    }
    return bytes
  }

  private func mutate(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
    for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
      let index = Int.random(in: bytes.indices, using: &generator)
      switch generator.next() % 4 {
      case 0: bytes[index] = UInt8(truncatingIfNeeded: generator.next())
      case 1: bytes[index] ^= 1 << UInt8(generator.next() % 8)
      case 2: bytes.insert(contentsOf: [0xff, 0x80, 0x01].prefix(Int(generator.next() % 4)), at: index)
      default: bytes.removeLast(bytes.count - index)
      }
    }
  }

  @Test(
    "a stream of requests decodes to the same bytes in blocks and one by one, mutated requests included",
    arguments: 0..<60 as Range<UInt64>)
  func equivalence(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var limits = SeriesLimits()
    if seed % 4 == 1 { limits.samplesMax = Int.random(in: 1...150, using: &generator) }
    let tenant = seed % 3 == 0 ? TenantID("other") ?? .default : .default
    var resolvers = (SeriesResolver(), SeriesResolver())
    var numbers = Array(0..<Int.random(in: 1...220, using: &generator))
    for round in 0..<8 {
      if round == 3 { numbers.shuffle(using: &generator) }
      if round == 5 { numbers += (300..<340) }
      var bytes = body(numbers, &generator)
      if round % 2 == 1 { mutate(&bytes, &generator) }
      let fast = outcome(bytes, resolvers.0, limits, tenant: tenant, inBlocks: true)
      let slow = outcome(bytes, resolvers.1, limits, tenant: tenant, inBlocks: false)
      #expect(fast == slow, "seed \(seed), round \(round)")
      // Of a request that failed each may remember another beginning.
      if fast.error != nil { resolvers = (SeriesResolver(), SeriesResolver()) }
    }
  }

  @Test("the common shape is taken, also without a value and with times of 1 to 8 bytes") func shapes() {
    var block = RemoteWriteBlock(seed: 9)
    var expected: [Int64] = []
    for shift in 0..<56 {
      var point: [UInt8] = shift % 3 == 0 ? [] : [0x09, 1, 2, 3, 4, 5, 6, 7, 8]
      let time = Int64(1) << Int64(shift)
      var rest = UInt64(time)
      point.append(0x10)
      while rest >= 0x80 {
        point.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      point.append(UInt8(truncatingIfNeeded: rest))
      let bytes = [0x0a, 4, 1, 2, 3, 4, 0x12, UInt8(point.count)] + point
      let isTaken = bytes.withUnsafeBytes { block.take($0) }
      #expect(isTaken, "shift \(shift)")
      expected.append(time)
    }
    #expect(Array(block.times) == expected)
  }

  @Test(
    "whatever the order of keys, a table answers as a dictionary does", arguments: 0..<40 as Range<UInt64>)
  func table(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let resolver = SeriesResolver(countMax: seed % 3 == 0 ? 100 : 100_000)
    var model: [Hash128: SeriesID] = [:]
    // Few different lower halves, so that keys meet in the index.
    var keys = (0..<Int.random(in: 1...3000, using: &generator)).map { _ in
      Hash128(high: generator.next(), low: generator.next() % (seed % 2 == 0 ? 64 : .max))
    }
    var wrong = 0
    for _ in 0..<6 {
      if generator.next() % 2 == 0 { keys.shuffle(using: &generator) }
      var trail = SeriesTrail()
      var start = 0
      while start < keys.count {
        let part = Array(keys[start..<min(keys.count, start + Int.random(in: 1...64, using: &generator))])
        var words = [UInt64](repeating: 0, count: 128)
        let unknown = part.withUnsafeBufferPointer { keys in
          words.withUnsafeMutableBufferPointer { resolver.series(for: keys, into: $0, &trail) }
        }
        for (index, key) in part.enumerated() {
          if unknown >> UInt64(index) & 1 == 0 {
            let id = SeriesID(Hash128(high: words[2 * index + 1], low: words[2 * index]))
            if model[key] != id { wrong += 1 }
          } else {
            if seed % 3 != 0, model[key] != nil { wrong += 1 }
            let id = SeriesID(Hash128(high: ~key.high, low: key.low))
            resolver.remember(id, for: key)
            model[key] = id
          }
        }
        start += part.count
      }
    }
    #expect(wrong == 0 && (seed % 3 == 0 || resolver.count == model.count))
  }
}
