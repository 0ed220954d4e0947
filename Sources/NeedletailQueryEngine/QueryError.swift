import NeedletailQueryLanguage

/// Why a query has no answer, sorted as Prometheus' HTTP API sorts errors.
package struct QueryError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kinds of failure; the raw value is the API's `errorType`.
  package enum Kind: String, Sendable, Hashable {
    /// The query itself is wrong.
    case badData = "bad_data"
    /// The query could not be carried out, or a limit was reached.
    case execution
    /// It ran out of time.
    case timeout
    /// Whoever asked went away.
    case canceled
    /// What was asked for does not exist.
    case notFound = "not_found"
    /// Nodes that hold what was asked for did not answer: it may be there in a while.
    case unavailable
    /// A fault of ours.
    case `internal`
  }

  /// What kind of failure.
  package let kind: Kind
  /// What happened, for the person who asked.
  package let message: String

  /// A failure of a kind.
  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// A text that is no query.
  package init(_ error: SyntaxError) {
    self.init(.badData, "invalid parameter \"query\": \(error)")
  }

  /// The message.
  package var description: String { message }

  /// What a query fails with that would hold more than so many samples and values at once.
  package static func tooManySamples(limit: Int) -> QueryError {
    execution("query processing would load too many samples into memory in query execution (limit \(limit))")
  }

  static func execution(_ message: String) -> QueryError { QueryError(.execution, message) }
}
