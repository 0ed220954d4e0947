import NeedletailBlocks
import NeedletailTelemetry

/// Why the event engine did not take a batch or cannot answer.
package enum EventEngineError: Error, Sendable, CustomStringConvertible {
  /// Logs were given to the engine of spans, or the other way round; or spans were asked of logs.
  case wrongKind
  /// A row or a stream of the batch is not well formed; nothing of the batch was taken.
  case malformed(MalformedBytes)
  /// No journal is attached yet, so nothing can be made durable.
  case notAttached
  /// The journal did not take the batch, or cannot promise that it survives.
  case journal(JournalError)
  /// A part could not be read or is damaged: the answer would be incomplete, so there is none.
  case block(BlockError)
  case catalog(CatalogError)
  /// A trace has more than `limit` spans, or takes more than `bytes` bytes: there is no answer, rather than a part of
  /// one.
  case traceTooLarge(limit: Int, bytes: Int)
  /// The task that asked was cancelled.
  case cancelled

  package var description: String {
    switch self {
    case .wrongKind: "logs and spans were confused: ask the engine of the right kind"
    case .malformed(let error): "the batch is not well formed (\(error)); nothing of it was taken"
    case .notAttached: "the engine is not open yet; try again in a moment"
    case .journal(let error): "\(error)"
    case .block(let error): "\(error)"
    case .catalog(let error): "\(error)"
    case .traceTooLarge(let limit, let bytes):
      "the trace has more than \(limit) spans or \(bytes >> 20) MiB, too much to be returned as a whole; ask for its spans "
        + "by the label trace_id, a shorter range of time at once"
    case .cancelled: "the query was cancelled"
    }
  }

  /// Runs what may fail at a part's files.
  static func wrapping<Result>(_ body: () throws(BlockError) -> Result) throws(EventEngineError) -> Result {
    do throws(BlockError) { return try body() } catch { throw .block(error) }
  }
}
