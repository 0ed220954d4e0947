// A network in one process that loses, doubles, delays and overtakes messages by a seed. Nothing moves by itself:
// `deliverNext()` hands over the message that is due next, so a whole cluster runs on one thread, in one order.

import NeedletailEnvironment
import Synchronization

/// How bad the network is.
package struct NetworkFaults: Sendable {
  /// Messages lost, in percent.
  package var lossPercent = 0
  /// Messages delivered twice, in percent.
  package var duplicatePercent = 0
  /// The longest delay, in nanoseconds; each message draws its own, so they overtake each other.
  package var delayMax: Int64 = 0

  /// A perfect network.
  package init() {}
}

/// The wires between simulated nodes.
package final class SimulatedNetwork: Sendable {
  private struct Message {
    var due: Int64
    var order: UInt64
    var from: PeerAddress
    var to: PeerAddress
    var bytes: [UInt8]
  }

  private struct State {
    var random: SeededGenerator
    var faults = NetworkFaults()
    var now: Int64 = 0
    var order: UInt64 = 0
    var waiting: [Message] = []
    var handlers: [PeerAddress: Network.Handler] = [:]
    var known: Set<PeerAddress> = []
    /// Ordered pairs between which nothing passes.
    var cut: Set<[PeerAddress]> = []
  }

  private let state: Lock<State>

  /// A network without nodes.
  package init(seed: UInt64) { state = Lock(State(random: SeededGenerator(seed: seed))) }

  /// A node's end of it.
  package func join(_ address: PeerAddress) -> any Network {
    state.withLock { _ = $0.known.insert(address) }
    return SimulatedEndpoint(address: address, network: self)
  }

  /// Sets how bad it is from now on.
  package func setFaults(_ faults: NetworkFaults) { state.withLock { $0.faults = faults } }

  /// Cuts or mends the way from one node to another; the way back is another one.
  package func setCut(_ isCut: Bool, from: PeerAddress, to: PeerAddress) {
    state.withLock { state in
      if isCut { state.cut.insert([from, to]) } else { state.cut.remove([from, to]) }
    }
  }

  /// Delivers the message that is due next and returns the time at which it was, in nanoseconds; nil when none waits.
  package func deliverNext() -> Int64? {
    let next: (Message, Network.Handler?, Int64)? = state.withLock { state in
      let first = state.waiting.indices.min {
        (state.waiting[$0].due, state.waiting[$0].order) < (state.waiting[$1].due, state.waiting[$1].order)
      }
      guard let first else { return nil }
      let message = state.waiting.remove(at: first)
      state.now = max(state.now, message.due)
      let isCut = state.cut.contains([message.from, message.to])
      return (message, isCut ? nil : state.handlers[message.to], state.now)
    }
    guard let (message, handler, time) = next else { return nil }
    handler?(message.from, message.bytes)
    return time
  }

  fileprivate func send(_ bytes: [UInt8], from: PeerAddress, to: PeerAddress) throws(NetworkError) {
    let isKnown = state.withLock { state in
      guard state.known.contains(to) else { return false }
      if Int.random(in: 0..<100, using: &state.random) < state.faults.lossPercent { return true }
      let isDouble = Int.random(in: 0..<100, using: &state.random) < state.faults.duplicatePercent
      for _ in 0..<(isDouble ? 2 : 1) {
        let delay = Int64.random(in: 0...max(0, state.faults.delayMax), using: &state.random)
        state.order += 1
        state.waiting.append(
          Message(due: state.now + delay, order: state.order, from: from, to: to, bytes: bytes))
      }
      return true
    }
    if !isKnown { throw .unreachable(to) }
  }

  fileprivate func setHandler(_ handler: Network.Handler?, at address: PeerAddress) {
    state.withLock { $0.handlers[address] = handler }
  }
}

private final class SimulatedEndpoint: Network {
  let address: PeerAddress
  private let network: SimulatedNetwork
  private let isClosed = Atomic(false)

  init(address: PeerAddress, network: SimulatedNetwork) {
    self.address = address
    self.network = network
  }

  func send(_ message: [UInt8], to peer: PeerAddress) throws(NetworkError) {
    if isClosed.load(ordering: .relaxed) { throw .closed }
    try network.send(message, from: address, to: peer)
  }

  func receive(_ handler: @escaping Handler) { network.setHandler(handler, at: address) }

  func close() {
    isClosed.store(true, ordering: .relaxed)
    network.setHandler(nil, at: address)
  }
}
