import NeedletailEnvironment

/// Counts requests and their time, by what they ask for and how they were answered.
final class RequestCounters: Sendable {
  struct Key: Hashable, Sendable {
    var route: String
    var status: Int
  }

  struct Value: Sendable {
    var count: UInt64 = 0
    var nanoseconds: UInt64 = 0

    fileprivate mutating func add(_ nanoseconds: Int64) {
      count &+= 1
      self.nanoseconds &+= UInt64(clamping: nanoseconds)
    }
  }

  private let state = Lock<[Key: Value]>([:])

  func finished(route: String, status: Int, nanoseconds: Int64) {
    state.withLock { values in
      let key = Key(route: route, status: status)
      values[key, default: Value()].add(nanoseconds)
    }
  }

  var snapshot: [Key: Value] { state.withLock { $0 } }
}
