import HummingbirdCore
import Synchronization

/// A stream that a client opened, on its way to the task that answers it.
final class HTTP2Stream: Sendable {
  private let channel: HTTP1Channel.Value
  private let isTaken = Atomic(false)

  init(_ channel: HTTP1Channel.Value) { self.channel = channel }

  /// The stream, for whoever answers it.
  func take() -> HTTP1Channel.Value {
    isTaken.store(true, ordering: .relaxed)
    return channel
  }

  deinit {
    // Opened while the server stopped taking streams: it is ended in the orderly way, as going unused would be a crash.
    guard !isTaken.load(ordering: .relaxed) else { return }
    let channel = channel
    Task { try? await channel.executeThenClose { _, _ in } }
  }
}
