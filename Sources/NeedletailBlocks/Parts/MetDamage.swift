import NeedletailEnvironment

/// The first damage that anybody met in an open part: what is damaged on disk stays so, whoever reads it next.
package final class MetDamage: Sendable {
  private let first = Lock<String?>(nil)

  package init() {}

  /// What was met first, for the operator.
  package var reason: String? { first.withLock { $0 } }

  package func note(_ reason: String) { first.withLock { if $0 == nil { $0 = reason } } }

  /// Notes an error of reading, unless it says nothing of the part: that the process has no file left, or that nobody may wait.
  package func note(_ error: BlockError) {
    switch error {
    case .damaged: note("\(error)")
    case .file(let failure): if failure.code == .device || failure.code == .notFound { note("\(error)") }
    case .tooLarge: break
    }
  }
}
