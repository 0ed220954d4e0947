import NeedletailEnvironment

/// The bytes of undecoded and decoded bodies that may be in memory at one time.
///
/// What does not fit is turned away at once: a queue would only hide that the node is behind.
package final class IngestBudget: Sendable {
  /// All that there is, in bytes.
  package let bytesMax: Int
  private let used = Lock(0)

  package init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// Takes `bytes` out of the budget; false, and nothing is taken, where they are not there.
  package func reserve(_ bytes: Int) -> Bool {
    used.withLock { used in
      guard bytes >= 0, bytes <= bytesMax - used else { return false }
      used += bytes
      return true
    }
  }

  /// Gives back what was reserved.
  package func release(_ bytes: Int) { used.withLock { $0 -= bytes } }

  /// Bytes reserved now.
  package var bytesInFlight: Int { used.withLock { $0 } }
}
