import NeedletailEnvironment

/// How a read waits for a time to come.
struct ReadAlarm: Sendable {
  /// Returns when the clock's monotonic time is the given one (ns) or the task was cancelled; earlier does no harm.
  let wait: @Sendable (UInt64) async -> Void

  /// Sleeps as long as a clock says that it takes.
  static func sleeping(by clock: any WallClock) -> ReadAlarm {
    ReadAlarm { time in
      let now = UInt64(clamping: clock.monotonicNanoseconds())
      guard time > now else { return }
      try? await Task.sleep(nanoseconds: time - now)
    }
  }
}
