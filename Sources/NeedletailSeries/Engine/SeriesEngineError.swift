import NeedletailBlocks
import NeedletailTelemetry

/// Why an append was not taken.
package enum SeriesEngineError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The batch names series whose labels neither the definitions nor the engine know; the first few of them.
  ///
  /// Nothing was logged: send the batch again with definitions of all its series.
  case unknownSeries([SeriesID])
  /// The batch or the definitions contradict themselves.
  ///
  /// Nothing was logged; sending it again will not help.
  case malformed(String)
  /// Too much waits for the disk, or the head is full.
  ///
  /// Nothing was logged; send again in a moment.
  case overloaded(String)
  /// The log cannot be written, or is closed.
  ///
  /// Whether the batch survives is not known.
  case unavailable(reason: String)

  package var description: String {
    switch self {
    case .unknownSeries(let ids): "the labels of series \(ids.map(\.description).joined(separator: ", ")) are not known"
    case .malformed(let reason): "the batch is malformed: \(reason)"
    case .overloaded(let reason): "overloaded: \(reason)"
    case .unavailable(let reason): "unavailable: \(reason)"
    }
  }

  init(_ error: JournalError) {
    switch error {
    case .overloaded: self = .overloaded("\(error)")
    case .recordTooLarge: self = .malformed("\(error)")
    case .refused, .closed: self = .unavailable(reason: "\(error)")
    }
  }
}

/// What became of the samples (float and histogram) of a batch.
package struct SeriesAppendOutcome: Equatable, Sendable {
  /// Samples that are durable now, duplicates included.
  package var accepted = 0
  /// Samples older than the retention: not kept.
  package var outOfRetention = 0
  /// Samples within the retention and older than the out-of-order window: not kept.
  package var outOfWindow = 0
  /// Samples too far ahead of the clock: not kept.
  package var tooFarInFuture = 0
  /// Accepted ones that came earlier than the last one of their series.
  package var outOfOrder = 0
  /// Accepted ones that came at the same time as the last one of their series.
  package var duplicates = 0
}

/// Something stored that could not be read; an answer that lists any may be incomplete.
package struct SeriesDamage: Error, Hashable, Sendable, CustomStringConvertible {
  /// The part that the data is missing of.
  package var part: PartID
  /// The file, or the part's folder.
  package var path: String
  /// The offset in the file, in bytes.
  package var offset: UInt64
  package var reason: String

  package var description: String { "part \(part): \(path) at byte \(offset): \(reason)" }

  init(part: PartID, _ error: BlockError) {
    self.part = part
    switch error {
    case .damaged(let path, let offset, let damage): (self.path, self.offset, reason) = (path, offset, damage.rawValue)
    case .tooLarge(let path, _, _): (self.path, offset, reason) = (path, 0, error.description)
    case .file(let error): (path, offset, reason) = (error.path, 0, error.description)
    }
  }
}

/// Why a query has no answer.
package enum SeriesQueryError: Error, Equatable, Sendable, CustomStringConvertible {
  /// More than the caller's limit of series match.
  case tooManySeries(limit: Int)
  /// More than the caller's limit of samples match.
  case tooManySamples(limit: Int)
  /// The task was cancelled.
  case cancelled

  package var description: String {
    switch self {
    case .tooManySeries(let limit): "more than \(limit) series match; narrow the selector"
    case .tooManySamples(let limit): "more than \(limit) samples match; narrow the selector or the range"
    case .cancelled: "the query was cancelled"
    }
  }
}

/// A list that an index answered, and what could not be read for it.
package struct SeriesAnswer<Element: Sendable>: Sendable {
  package var elements: [Element]
  /// Empty where the answer is complete.
  package var damages: [SeriesDamage]
}
