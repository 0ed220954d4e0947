import NeedletailBlocks
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What one way of writing a shape takes.
struct Measurement {
  var form = ""
  var bytes = 0.0
  var zstdBytes = 0.0
  var encode = 0.0
  var decode = 0.0

  private static let zstdBlock = 128 << 10

  /// Bytes of `bytes` after zstd 1, as many at a time as a block of a part holds.
  static func compressed(_ bytes: UnsafeRawBufferPointer) throws -> Int {
    var output: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: zstdBlock) {
      let part = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + zstdBlock, bytes.count)])
      try Zstd.compress(part, appendingTo: &output)
    }
    return output.count
  }

  /// CPU ns of this thread.
  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  /// The least that any of `passes` calls of `body` took, by `count` values.
  static func best(passes: Int, count: Int, _ body: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<passes {
      let start = now()
      try body()
      best = min(best, now() - start)
    }
    return best / Double(count)
  }
}
