import NeedletailEnvironment

/// A clock that moves when it is told to.
package final class ManualClock: WallClock {
  private let times: Lock<(wall: Int64, monotonic: Int64)>

  /// A clock at these times, in nanoseconds.
  package init(wall: Int64 = 1_700_000_000_000_000_000, monotonic: Int64 = 0) {
    times = Lock((wall, monotonic))
  }

  package func wallNanoseconds() -> Int64 { times.withLock { $0.wall } }

  package func monotonicNanoseconds() -> Int64 { times.withLock { $0.monotonic } }

  /// Lets time pass.
  package func advance(nanoseconds: Int64) {
    times.withLock {
      $0.wall &+= nanoseconds
      $0.monotonic &+= max(0, nanoseconds)
    }
  }

  /// Sets the wall clock alone, as an administrator or a time server does.
  package func setWall(nanoseconds: Int64) { times.withLock { $0.wall = nanoseconds } }
}
