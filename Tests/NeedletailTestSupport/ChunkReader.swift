import NeedletailTelemetry

/// Reads Prometheus' chunks of floats and of float histograms.
package struct ChunkReader {
  package struct TooShort: Error {}

  private let bytes: [UInt8]
  private var position: Int
  private let count: Int

  private init(_ bytes: [UInt8], headerBytes: Int) throws {
    guard bytes.count >= headerBytes else { throw TooShort() }
    self.bytes = bytes
    position = headerBytes * 8
    count = Int(bytes[0]) << 8 | Int(bytes[1])
  }

  private mutating func bits(_ count: Int) throws -> UInt64 {
    var value: UInt64 = 0
    for _ in 0..<count {
      guard position < bytes.count * 8 else { throw TooShort() }
      value = value << 1 | UInt64(bytes[position >> 3] >> UInt8(7 - position & 7) & 1)
      position += 1
    }
    return value
  }

  private mutating func varint() throws -> UInt64 {
    var (value, shift): (UInt64, UInt64) = (0, 0)
    while true {
      let byte = try bits(8)
      value |= (byte & 0x7f) << shift
      shift += 7
      if byte < 0x80 { return value }
    }
  }

  private mutating func signedVarint() throws -> Int64 {
    let value = try varint()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  /// How many ones stand there, up to `max`, with the zero behind fewer.
  private mutating func ones(max: Int) throws -> Int {
    var count = 0
    while count < max, try bits(1) == 1 { count += 1 }
    return count
  }

  private static func signed(_ value: UInt64, _ size: Int) -> Int64 {
    size < 64 && value > 1 << UInt64(size - 1)
      ? Int64(bitPattern: value) - (1 << Int64(size)) : Int64(bitPattern: value)
  }

  private static let varbitSizes = [0, 3, 6, 9, 12, 18, 25, 56, 64]

  private mutating func varbit(isSigned: Bool = true) throws -> Int64 {
    let size = Self.varbitSizes[try ones(max: 8)]
    let value = try bits(size)
    return isSigned && size > 0 ? Self.signed(value, size) : Int64(bitPattern: value)
  }

  private struct Known {
    var value: UInt64
    var leading = 0
    var length = 0
  }

  private mutating func next(_ known: inout Known) throws -> Double {
    if try bits(1) == 1 {
      if try bits(1) == 1 {
        known.leading = Int(try bits(5))
        known.length = Int(try bits(6))
        if known.length == 0 { known.length = 64 }
      }
      known.value ^= try bits(known.length) << UInt64(64 - known.leading - known.length)
    }
    return Double(bitPattern: known.value)
  }

  /// The samples of a chunk of floats.
  package static func floats(_ bytes: [UInt8]) throws -> [(time: Int64, value: Double)] {
    var reader = try ChunkReader(bytes, headerBytes: 2)
    var samples: [(time: Int64, value: Double)] = []
    var (time, distance): (Int64, Int64) = (0, 0)
    var known = Known(value: 0)
    for index in 0..<reader.count {
      if index == 0 {
        time = try reader.signedVarint()
        known.value = try reader.bits(64)
        samples.append((time, Double(bitPattern: known.value)))
        continue
      }
      if index == 1 {
        distance = Int64(bitPattern: try reader.varint())
      } else {
        let size = [0, 14, 17, 20, 64][try reader.ones(max: 4)]
        if size > 0 { distance &+= signed(try reader.bits(size), size) }
      }
      time &+= distance
      samples.append((time, try reader.next(&known)))
    }
    return samples
  }

  /// The samples of a chunk of float histograms.
  package static func histograms(_ bytes: [UInt8]) throws -> [(time: Int64, histogram: NativeHistogram)] {
    var reader = try ChunkReader(bytes, headerBytes: 3)
    var layout = try reader.layout()
    let hint: NativeHistogram.ResetHint = [.unknown, .notReset, .reset, .gauge][Int(bytes[2] >> 6)]
    let positives = layout.positiveSpans.reduce(0) { $0 + Int($1.length) }
    let negatives = layout.negativeSpans.reduce(0) { $0 + Int($1.length) }
    var samples: [(time: Int64, histogram: NativeHistogram)] = []
    var (time, distance): (Int64, Int64) = (0, 0)
    var known = [Known](repeating: Known(value: 0), count: 3 + positives + negatives)
    for index in 0..<reader.count {
      if index == 0 {
        time = try reader.varbit()
        for position in known.indices { known[position].value = try reader.bits(64) }
      } else {
        distance += try reader.varbit()
        time += distance
        for position in known.indices { _ = try reader.next(&known[position]) }
      }
      let values = known.map { Double(bitPattern: $0.value) }
      (layout.count, layout.zeroCount, layout.sum) = (values[0], values[1], values[2])
      layout.positiveBuckets = Array(values[3..<(3 + positives)])
      layout.negativeBuckets = Array(values[(3 + positives)...])
      // All but the first one of a chunk are no resets, unless they are of a gauge.
      layout.resetHint = index == 0 || hint == .gauge ? hint : .notReset
      samples.append((time, layout))
    }
    return samples
  }

  private mutating func layout() throws -> NativeHistogram {
    var layout = NativeHistogram(schema: 0, count: 0, sum: 0)
    switch try bits(8) {
    case 0: layout.zeroThreshold = 0
    case 255: layout.zeroThreshold = Double(bitPattern: try bits(64))
    case let exponent: layout.zeroThreshold = Double(sign: .plus, exponent: Int(exponent) - 244, significand: 1)
    }
    layout.schema = Int8(try varbit())
    layout.positiveSpans = try spans()
    layout.negativeSpans = try spans()
    if layout.schema == NativeHistogram.customBucketsSchema {
      for _ in 0..<(try varbit(isSigned: false)) {
        let number = try varbit(isSigned: false)
        layout.customBounds.append(number == 0 ? Double(bitPattern: try bits(64)) : Double(number - 1) / 1000)
      }
    }
    return layout
  }

  private mutating func spans() throws -> [NativeHistogram.BucketSpan] {
    try (0..<(try varbit(isSigned: false))).map { _ in
      let length = UInt32(try varbit(isSigned: false))
      return NativeHistogram.BucketSpan(offset: Int32(try varbit()), length: length)
    }
  }
}
