import NeedletailEnvironment
import NeedletailQueryEngine

/// Counts queries and their time.
final class QueryCounters: Sendable {
  struct Snapshot: Sendable {
    var finished: UInt64 = 0
    /// Those of them that ran where their request came in.
    var inPlace: UInt64 = 0
    var nanoseconds: UInt64 = 0
    var failures: [QueryError.Kind: UInt64] = [:]
  }

  private let state = Lock(Snapshot())

  func finished(nanoseconds: Int64, failure: QueryError.Kind?, inPlace: Bool = false) {
    state.withLock { state in
      state.finished &+= 1
      if inPlace { state.inPlace &+= 1 }
      state.nanoseconds &+= UInt64(clamping: nanoseconds)
      if let failure { state.failures[failure, default: 0] &+= 1 }
    }
  }

  var snapshot: Snapshot { state.withLock { $0 } }
}
