#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The door to time.
///
/// The engines ask the wall clock for what is too old, too far in the future, or beyond the retention, and it dates
/// what has no date of its own; nothing depends on its order. Whatever measures a duration asks the monotonic one.
package protocol WallClock: Sendable {
  /// Nanoseconds since 1970-01-01 00:00 UTC. May step back.
  func wallNanoseconds() -> Int64
  /// Nanoseconds since some fixed instant. Never steps back.
  func monotonicNanoseconds() -> Int64
}

/// The machine's clocks.
///
/// One reading costs about 25 ns.
package struct SystemClock: WallClock {
  /// The one there is.
  package init() {}

  package func wallNanoseconds() -> Int64 { Self.read(CLOCK_REALTIME) }

  package func monotonicNanoseconds() -> Int64 { Self.read(CLOCK_MONOTONIC) }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
