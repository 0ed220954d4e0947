import NeedletailEnvironment
import NeedletailQueryEngine
import Testing

@testable import NeedletailNode

@Suite("The gate of queries")
struct QueryGateTests {
  /// Holds a task until it is let go.
  private final class Latch: Sendable {
    private let state = Lock<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
      await withCheckedContinuation { continuation in
        let isOpen = state.withLock { state in
          if !state.isOpen { state.waiters.append(continuation) }
          return state.isOpen
        }
        if isOpen { continuation.resume() }
      }
    }

    func open() {
      let waiters = state.withLock { state in
        state.isOpen = true
        defer { state.waiters = [] }
        return state.waiters
      }
      for waiter in waiters { waiter.resume() }
    }
  }

  private func until(_ condition: @Sendable () -> Bool) async {
    while !condition() { await Task.yield() }
  }

  @Test("one runs, one waits, the third is refused, and a waiting one that is cancelled leaves the queue")
  func limits() async throws {
    let gate = QueryGate(runningMax: 1, waitingMax: 1)
    let latch = Latch()
    let first = Task {
      let place = try await gate.enter()
      await latch.wait()
      place.leave()
    }
    await until { gate.load.running == 1 }
    let second = Task { try await gate.enter().leave() }
    await until { gate.load.waiting == 1 }
    await #expect(throws: QueryError.self) { try await gate.enter() }
    second.cancel()
    await #expect(throws: QueryError.self) { try await second.value }
    #expect(gate.load == (1, 0))
    let third = Task { try await gate.enter() }
    await until { gate.load.waiting == 1 }
    latch.open()
    try await first.value
    let place = try await third.value
    #expect(gate.load == (1, 0))
    place.leave()
    place.leave()
    #expect(gate.load == (0, 0), "a place is given back once")
  }

  @Test("a place that everyone has forgotten is given back")
  func forgotten() async throws {
    let gate = QueryGate(runningMax: 1, waitingMax: 0)
    _ = try await gate.enter()
    #expect(gate.load == (0, 0))
  }
}
