import NeedletailTelemetry

/// A run of samples of one series in one of Prometheus' encodings.
package struct SampleChunk: Sendable, Equatable {
  /// The encodings, by their numbers in remote read.
  package enum Encoding: UInt8, Sendable {
    case xor = 1
    case floatHistogram = 3
  }

  package var encoding: Encoding
  /// The times of the first and the last sample, in ms.
  package var first: Int64
  package var last: Int64
  package var bytes: [UInt8]

  /// Samples of a chunk, as many as Prometheus has in one.
  package static let samplesMax = 120
}

/// Makes a chunk of floats (https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/chunks.md).
struct FloatChunkWriter {
  private var writer = BitWriter([0, 0])
  private(set) var count = 0
  private var first: Int64 = 0
  private var time: Int64 = 0
  private var distance: Int64 = 0
  private var value = XORValue(0)

  /// Adds a sample, the times ascending.
  mutating func append(_ time: Int64, _ value: Double) {
    switch count {
    case 0:
      first = time
      writer.writeSignedVarint(time)
      writer.write(value.bitPattern, bits: 64)
      self.value = XORValue(value)
    case 1:
      distance = time &- self.time
      writer.writeVarint(UInt64(bitPattern: distance))
      self.value.write(value, to: &writer)
    default:
      let next = time &- self.time
      write(change: next &- distance)
      distance = next
      self.value.write(value, to: &writer)
    }
    self.time = time
    count += 1
  }

  private mutating func write(change: Int64) {
    let bits = UInt64(bitPattern: change)
    guard change != 0 else { return writer.write(bit: false) }
    if BitWriter.fits(change, bits: 14) {
      writer.write(0b10, bits: 2)
      writer.write(bits, bits: 14)
    } else if BitWriter.fits(change, bits: 17) {
      writer.write(0b110, bits: 3)
      writer.write(bits, bits: 17)
    } else if BitWriter.fits(change, bits: 20) {
      writer.write(0b1110, bits: 4)
      writer.write(bits, bits: 20)
    } else {
      writer.write(0b1111, bits: 4)
      writer.write(bits, bits: 64)
    }
  }

  /// The chunk; nil of no samples.
  mutating func take() -> SampleChunk? {
    guard count > 0 else { return nil }
    writer.replace(UInt8(truncatingIfNeeded: count >> 8), at: 0)
    writer.replace(UInt8(truncatingIfNeeded: count), at: 1)
    let chunk = SampleChunk(encoding: .xor, first: first, last: time, bytes: writer.bytes)
    self = FloatChunkWriter()
    return chunk
  }
}
