import NeedletailEnvironment

/// Counts the background work on the storage.
final class MaintenanceCounters: Sendable {
  struct Snapshot: Sendable {
    var flushes: UInt64 = 0
    var flushNanoseconds: UInt64 = 0
    /// Passes that merged something.
    var merges: UInt64 = 0
    var mergeNanoseconds: UInt64 = 0
    /// Of flushes, retention passes and merges.
    var failures: UInt64 = 0
  }

  private let state = Lock(Snapshot())

  func flushed(nanoseconds: Int64) {
    state.withLock { state in
      state.flushes &+= 1
      state.flushNanoseconds &+= UInt64(clamping: nanoseconds)
    }
  }

  func merged(nanoseconds: Int64) {
    state.withLock { state in
      state.merges &+= 1
      state.mergeNanoseconds &+= UInt64(clamping: nanoseconds)
    }
  }

  func failed() { state.withLock { $0.failures &+= 1 } }

  var snapshot: Snapshot { state.withLock { $0 } }
}
