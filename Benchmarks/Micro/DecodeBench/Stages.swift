import CSnappy
import NeedletailOTLP
import NeedletailTelemetry
import NeedletailWire

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The stages of some bodies, measured on this thread.
struct Stages {
  typealias Decoder = (UnsafeRawBufferPointer, SeriesDecoding) throws -> DecodedSeries

  private let bodies: [[UInt8]]
  private let samples: Int
  private let passes: Int
  private let decoder: Decoder

  /// Bodies of `samples` samples each, sent in turn.
  init(_ bodies: [[UInt8]], samples: Int, passes: Int, _ decoder: @escaping Decoder) {
    self.bodies = bodies
    self.samples = samples
    self.passes = passes
    self.decoder = decoder
  }

  private static var threadNanoseconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  /// The least time that one of many calls took, a sample.
  private func best(_ body: ([UInt8]) -> Void) -> Double {
    var least = Double.infinity
    for _ in 0..<passes {
      let start = Self.threadNanoseconds
      for bytes in bodies { body(bytes) }
      least = min(least, Self.threadNanoseconds - start)
    }
    return least / Double(samples * bodies.count)
  }

  private func decode(_ bytes: [UInt8], _ resolver: SeriesResolver) -> DecodedSeries {
    let decoding = SeriesDecoding(
      tenant: .default, batchID: Hash128(high: 1, low: 2), resolver: resolver)
    guard let decoded = bytes.withUnsafeBytes({ try? decoder($0, decoding) }), decoded.sampleCount == samples else {
      preconditionFailure("the body does not decode")
    }
    return decoded
  }

  private static func compressed(_ bytes: [UInt8]) -> [UInt8] {
    var length = snappy_max_compressed_length(bytes.count)
    var output = [CChar](repeating: 0, count: length)
    let status = bytes.withUnsafeBytes { source in
      snappy_compress(source.assumingMemoryBound(to: CChar.self).baseAddress, bytes.count, &output, &length)
    }
    precondition(status == SNAPPY_OK, "snappy does not compress")
    return output[..<length].map { UInt8(bitPattern: $0) }
  }

  /// The frame of a batch built again from its rows.
  private func frame(_ batch: SeriesBatch) {
    var builder = SeriesBatchBuilder()
    batch.withRows { rows in
      for row in 0..<rows.seriesCount {
        builder.beginSeries(rows.seriesID(row))
        for sample in rows.samples(of: row) {
          builder.append(timestamp: rows.timestamp(sample), valueBits: rows.valueBits(sample))
        }
      }
    }
    precondition(builder.build(tenant: .default, batchID: batch.frame.batchID) != nil, "the frame is not built")
  }

  /// Measures and writes a line of the table.
  func line(_ name: String) -> String {
    let resolver = SeriesResolver()
    let batches = bodies.map { decode($0, resolver).batches[0] }
    let blocks = bodies.map(Self.compressed)
    var next = 0
    let snappy = best { _ in
      let plain = blocks[next % blocks.count].withUnsafeBytes {
        try? Decompression.decompress($0, coding: .snappy, limits: .remoteWrite)
      }
      precondition(plain?.count == bodies[next % blocks.count].count, "the block does not decompress")
      next += 1
    }
    let warm = best { _ = decode($0, resolver) }
    next = 0
    let frames = best { _ in
      frame(batches[next % batches.count])
      next += 1
    }
    let cold = best { _ = decode($0, SeriesResolver()) }
    let size = Double(bodies.reduce(0) { $0 + $1.count }) / Double(samples * bodies.count)
    let columns = zip([size, snappy, warm, frames, cold], [9, 8, 14, 13, 8]).map { value, width in
      let text = "\((value * 10).rounded() / 10)"
      return String(repeating: " ", count: max(0, width - text.count)) + text
    }
    return name + String(repeating: " ", count: max(0, 28 - name.count)) + columns.joined()
  }
}
