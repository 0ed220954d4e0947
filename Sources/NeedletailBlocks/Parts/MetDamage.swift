import NeedletailEnvironment

/// The damage that reads met in an open part: what is damaged on disk stays so, whoever reads it next.
package final class MetDamage: Sendable {
  private let met = Lock<(first: String?, count: Int)>((nil, 0))

  package init() {}

  /// What was met first, for the operator.
  package var reason: String? { met.withLock { $0.first } }

  /// How often any was met.
  package var count: Int { met.withLock { $0.count } }

  package func note(_ reason: String) {
    met.withLock { met in
      if met.first == nil { met.first = reason }
      met.count += 1
    }
  }

  /// Notes an error of reading, unless it says nothing of the part: that the process has no file left, or that nobody may wait.
  package func note(_ error: BlockError) {
    switch error {
    case .damaged: note("\(error)")
    case .file(let failure): if failure.code == .device || failure.code == .notFound { note("\(error)") }
    case .tooLarge: break
    }
  }
}
