import NeedletailEnvironment

/// How much time is left for what a stop would still like to do, and how much can be done in it.
final class StopTime: Sendable {
  private struct State {
    var begun: Int64?
    var bytesPerSecond = assumedPace
  }

  /// Nanoseconds that a stop as a whole may take, less what closing the storage takes.
  private static let total: Int64 = 4_300_000_000
  /// Nanoseconds that are surely left where the stop was not an orderly one.
  private static let least: Int64 = 500_000_000
  /// Bytes of the heads that a flush brings to disk in a second, until one was measured.
  private static let assumedPace = 64.0 * 1_048_576
  /// A flush at the end may take this much longer than the last one of the same size.
  private static let caution = 2.0

  private let clock: any WallClock
  private let state = Lock(State())

  init(clock: any WallClock) { self.clock = clock }

  /// The server was told to stop.
  func begin() {
    let now = clock.monotonicNanoseconds()
    state.withLock { $0.begun = $0.begun ?? now }
  }

  /// A flush of heads of so many bytes took so long.
  func measured(bytes: Int, nanoseconds: Int64) {
    // A small one tells more of the disk's latency than of its pace.
    guard bytes >= 1 << 20, nanoseconds > 0 else { return }
    state.withLock { $0.bytesPerSecond = Double(bytes) * 1e9 / Double(nanoseconds) }
  }

  /// Whether heads of so many bytes can be flushed before the stop must be done.
  func allowsFlush(bytes: Int) -> Bool {
    let now = clock.monotonicNanoseconds()
    return state.withLock { state in
      let left = state.begun.map { Self.total - (now - $0) } ?? Self.least
      return Double(max(0, bytes)) * Self.caution / state.bytesPerSecond <= Double(left) / 1e9
    }
  }
}
