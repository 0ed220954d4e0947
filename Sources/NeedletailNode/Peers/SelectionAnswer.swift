import NeedletailQueryEngine

/// The messages of a selection, made as they are wanted.
///
/// `@unchecked Sendable`: one task at a time uses it. Whoever writes the answer asks for a message when the one before is
/// written, and whoever makes the first one is done with it before.
final class SelectionAnswer: PeerMessages, @unchecked Sendable {
  private let cursor: any SeriesCursor
  private let losses: [String]
  private let isWhole: Bool
  private var writer = SeriesMessageWriter()
  private var ready: [[UInt8]] = []
  private var isAtEnd = false

  /// The answer that a cursor gives; `losses` are what the node knows that it had and lost.
  ///
  /// One that has to be whole fails where something could not be read.
  init(_ cursor: any SeriesCursor, losses: [String], isWhole: Bool = false) {
    self.cursor = cursor
    self.losses = losses
    self.isWhole = isWhole
  }

  /// The next message, nil after the last.
  func next() async throws -> [UInt8]? {
    while ready.isEmpty, !isAtEnd {
      try Task.checkCancellation()
      if let chunk = try await cursor.next() {
        writer.append(chunk) { ready.append($0) }
      } else {
        var coverage = cursor.coverage
        if isWhole, let failure = coverage.failures.first { throw QueryError(.unavailable, failure) }
        coverage.merge(Coverage(failures: losses))
        writer.end(coverage, cursor.work)
        ready.append(writer.take())
        isAtEnd = true
      }
    }
    return ready.isEmpty ? nil : ready.removeFirst()
  }
}
