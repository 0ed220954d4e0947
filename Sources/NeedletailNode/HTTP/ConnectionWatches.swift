import NIOCore
import NeedletailEnvironment

/// The watch of each open connection, to be had from any thread: asking the pipeline for it would take a trip to the
/// event loop for every request.
final class ConnectionWatches: Sendable {
  private let watches = Lock<[ObjectIdentifier: ConnectionWatch]>([:])

  /// A watch that is to be found here while its handler is in a pipeline.
  func make() -> ConnectionWatch { ConnectionWatch(self) }

  /// The watch of a connection, of HTTP/2 the stream; nil where it has none, or is closed.
  func watch(of channel: any Channel) -> ConnectionWatch? {
    watches.withLock { $0[ObjectIdentifier(channel as AnyObject)] }
  }

  func add(_ watch: ConnectionWatch, of channel: any Channel) {
    watches.withLock { $0[ObjectIdentifier(channel as AnyObject)] = watch }
  }

  func remove(_ channel: any Channel) {
    _ = watches.withLock { $0.removeValue(forKey: ObjectIdentifier(channel as AnyObject)) }
  }
}
