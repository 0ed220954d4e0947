#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The time of day.
enum WallClock {
  /// Nanoseconds since the Unix epoch.
  static var nanoseconds: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(max(0, time.tv_sec)) &* 1_000_000_000 &+ UInt64(max(0, time.tv_nsec))
  }

  /// Seconds since the Unix epoch.
  static var seconds: Int64 { Int64(nanoseconds / 1_000_000_000) }
}

/// Standard error, for what the SDK has to say about itself.
enum StandardError {
  /// Writes a line in one call.
  static func write(_ message: String) {
    let line = Array("needletail: \(message)\n".utf8)
    line.withUnsafeBytes { bytes in
      // A line that cannot be written is lost: there is nowhere left to say so.
      #if canImport(Glibc)
        _ = Glibc.write(2, bytes.baseAddress, bytes.count)
      #else
        _ = Darwin.write(2, bytes.baseAddress, bytes.count)
      #endif
    }
  }
}
