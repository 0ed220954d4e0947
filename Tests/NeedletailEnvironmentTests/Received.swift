import NeedletailEnvironment

/// Collects what handlers are given.
final class Received: Sendable {
  private let collected = Lock<[UInt8]>([])

  func add(_ message: [UInt8]) { collected.withLock { $0 += message } }

  var bytes: [UInt8] { collected.withLock { $0 } }
}
