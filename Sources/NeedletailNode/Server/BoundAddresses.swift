import NeedletailEnvironment

/// Where a running server can be reached.
package struct BoundAddresses: Hashable, Sendable {
  /// The API.
  package var api: ListenAddress
  /// OTLP over HTTP, nil where it is off.
  package var otlpHTTP: ListenAddress?
  /// OTLP over gRPC, nil where it is off.
  package var otlpGRPC: ListenAddress?
  /// The door for other nodes.
  package var peers: ListenAddress?
}

/// Waits for the parts of a server to come up, in whatever order they do.
final class StartupProgress: Sendable {
  private struct State {
    var expected: Set<Setting>
    var bound: [Setting: ListenAddress] = [:]
    var isOpen = false
    var failure: (any Error)?
    var waiters: [CheckedContinuation<BoundAddresses, any Error>] = []

    var isBound: Bool { expected.allSatisfy { bound[$0] != nil } }

    var outcome: Result<BoundAddresses, any Error>? {
      if let failure { return .failure(failure) }
      guard isOpen, isBound, let api = bound[.listen] else { return nil }
      return .success(
        BoundAddresses(api: api, otlpHTTP: bound[.otlpHTTP], otlpGRPC: bound[.otlpGRPC], peers: bound[.peerListen]))
    }
  }

  private let state: Lock<State>
  private let doors: AsyncStream<Never>
  private let doorsBound: AsyncStream<Never>.Continuation

  init(expecting settings: Set<Setting>) {
    state = Lock(State(expected: settings))
    (doors, doorsBound) = AsyncStream.makeStream()
  }

  func bound(_ setting: Setting, _ address: ListenAddress) {
    change { $0.bound[setting] = address }
    if state.withLock(\.isBound) { doorsBound.finish() }
  }

  /// Where a port is bound; nil where it is not.
  func address(of setting: Setting) -> ListenAddress? { state.withLock { $0.bound[setting] } }

  /// Waits, once, until every port is bound; false where the task was cancelled before that.
  func allBound() async -> Bool {
    for await _ in doors {}
    return state.withLock(\.isBound)
  }

  func opened() { change { $0.isOpen = true } }
  func failed(_ error: any Error) { change { $0.failure = $0.failure ?? error } }

  /// The addresses, once everything is up; throws what kept it from coming up.
  func wait() async throws -> BoundAddresses {
    try await withCheckedThrowingContinuation { continuation in
      let outcome = state.withLock { state in
        let outcome = state.outcome
        if outcome == nil { state.waiters.append(continuation) }
        return outcome
      }
      if let outcome { continuation.resume(with: outcome) }
    }
  }

  private func change(_ body: (inout State) -> Void) {
    let (outcome, waiters) = state.withLock { state in
      body(&state)
      guard let outcome = state.outcome else {
        return (Result<BoundAddresses, any Error>?.none, [CheckedContinuation<BoundAddresses, any Error>]())
      }
      defer { state.waiters = [] }
      return (outcome, state.waiters)
    }
    guard let outcome else { return }
    for waiter in waiters { waiter.resume(with: outcome) }
  }
}
