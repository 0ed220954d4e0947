/// Ends a cursor again and again: after so many series, or one chunk more, until they go on with it.
final class CursorInParts: SeriesCursor {
  private let cursor: any SeriesCursor
  private let seriesMax: Int
  private var told = 0
  /// Whether there are no more parts.
  private(set) var hasEnded = false

  /// Parts of a cursor, each of whole chunks; another part is begun where there were `seriesMax` series.
  init(_ cursor: any SeriesCursor, seriesMax: Int) {
    self.cursor = cursor
    self.seriesMax = seriesMax
  }

  /// Goes on with the next part.
  func beginPart() { told = 0 }

  func next() async throws -> SeriesColumns? {
    guard told < seriesMax else { return nil }
    guard let chunk = try await cursor.next() else {
      hasEnded = true
      return nil
    }
    told += chunk.count
    return chunk
  }

  /// Told once.
  var coverage: Coverage { hasEnded ? cursor.coverage : .complete }

  /// Told once.
  var work: SelectionWork { hasEnded ? cursor.work : SelectionWork() }
}
