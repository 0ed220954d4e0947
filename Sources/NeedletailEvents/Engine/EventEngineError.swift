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
    case .cancelled: "the query was cancelled"
    }
  }
}
