// The door to other nodes: whole messages, no promise. A message may be lost, doubled, delayed and overtaken; what the
// cluster builds on it must hold under all of these, and the simulated network makes all of them happen.

/// Where a peer is reached; the network gives it meaning (the real one: host and port).
package struct PeerAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The address as text.
  package var text: String

  /// The address with this text.
  package init(_ text: String) { self.text = text }

  package var description: String { text }

  package static func < (left: Self, right: Self) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }
}

/// A message that could not even be handed over.
///
/// One that was may still be lost.
package enum NetworkError: Error, Equatable, Sendable {
  /// There is no way to this peer.
  case unreachable(PeerAddress)
  /// More is waiting for this peer than may wait.
  case congested(PeerAddress)
  /// The message is larger than the network carries.
  case tooLarge(bytes: Int, max: Int)
  /// This end was closed.
  case closed
}

/// Messages to and from other nodes.
package protocol Network: Sendable {
  /// What receives: the sender's address and the bytes. Called on the network's own thread; must not block.
  typealias Handler = @Sendable (_ sender: PeerAddress, _ message: [UInt8]) -> Void

  /// This node's own address.
  var address: PeerAddress { get }
  /// Hands a message over for sending. Returning says nothing about its arrival.
  func send(_ message: [UInt8], to peer: PeerAddress) throws(NetworkError)
  /// Sets what receives from now on; messages that arrive without one are dropped.
  func receive(_ handler: @escaping Handler)
  /// Stops sending and receiving.
  func close()
}
