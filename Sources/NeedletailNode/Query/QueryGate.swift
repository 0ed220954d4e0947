import NeedletailEnvironment
import NeedletailQueryEngine

/// Lets a bounded number of queries run at once and a bounded number wait; whoever comes beyond that is refused at
/// once.
final class QueryGate: Sendable {
  private struct Waiter {
    var id: UInt64
    var continuation: CheckedContinuation<Bool, Never>
  }

  private struct State {
    var running = 0
    var nextID: UInt64 = 0
    var waiters: [Waiter] = []
  }

  private let runningMax: Int
  private let waitingMax: Int
  private let state = Lock(State())

  init(runningMax: Int, waitingMax: Int) {
    self.runningMax = runningMax
    self.waitingMax = waitingMax
  }

  /// How many queries hold a place, and how many wait for one.
  var load: (running: Int, waiting: Int) { state.withLock { ($0.running, $0.waiters.count) } }

  /// A place, when it is the caller's turn.
  ///
  /// Throws `QueryError` where the queue is full or the task was cancelled while it waited.
  func enter() async throws -> QueryPlace {
    guard await isAdmitted() else {
      if Task.isCancelled { throw QueryError(.canceled, "query was canceled while it waited for its turn") }
      throw QueryError(.timeout, "too many queries are waiting; try again in a moment")
    }
    return QueryPlace { self.leave() }
  }

  /// A place where one is free, without waiting for one.
  func enterAtOnce() -> QueryPlace? {
    let isAdmitted = state.withLock { state in
      // With all places taken others may be waiting; without, nobody is.
      guard state.running < runningMax else { return false }
      state.running += 1
      return true
    }
    return isAdmitted ? QueryPlace { self.leave() } : nil
  }

  private func isAdmitted() async -> Bool {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer: Bool? = state.withLock { state in
          // A cancellation from before this point found no waiter to wake.
          if Task.isCancelled { return false }
          if state.running < runningMax {
            state.running += 1
            return true
          }
          guard state.waiters.count < waitingMax else { return false }
          state.waiters.append(Waiter(id: id, continuation: continuation))
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let waiter: Waiter? = state.withLock { state in
        if let index = state.waiters.firstIndex(where: { $0.id == id }) { return state.waiters.remove(at: index) }
        return nil
      }
      waiter?.continuation.resume(returning: false)
    }
  }

  private func leave() {
    let next: Waiter? = state.withLock { state in
      guard !state.waiters.isEmpty else {
        state.running -= 1
        return nil
      }
      return state.waiters.removeFirst()
    }
    next?.continuation.resume(returning: true)
  }
}
