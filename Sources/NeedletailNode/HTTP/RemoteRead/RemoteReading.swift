import NeedletailQueryEngine
import NeedletailTelemetry
import NeedletailWire

/// Reads the series that a remote read asks for, query by query, within the limits of a query.
final class RemoteReading {
  let question: RemoteReadRequest
  private let source: any SeriesSource
  private let limits: QueryLimits
  private let tenant: TenantID
  private var cursor: (any SeriesCursor)?
  private var seriesRead = 0
  private var samplesRead = 0
  /// Throws where the time for it is up.
  var checkTime: () throws -> Void = {}

  init(_ question: RemoteReadRequest, _ source: any SeriesSource, _ limits: QueryLimits, _ tenant: TenantID) {
    self.question = question
    self.source = source
    self.limits = limits
    self.tenant = tenant
  }

  /// Begins to read a query.
  func begin(_ query: Int) async throws {
    let query = question.queries[query]
    guard let range = TimeRange(startMilliseconds: query.start, endMilliseconds: query.end) else {
      cursor = nil
      return
    }
    let limits = SelectionLimits(series: limits.series, samples: limits.samples - samplesRead)
    cursor = try await source.select(
      SeriesSelection(tenant: tenant, matchers: query.matchers, range: range, limits: limits))
  }

  /// The next series of the query, nil at its end; throws where something of it could not be read.
  func next() async throws -> SeriesColumns? {
    guard let cursor else { return nil }
    try Task.checkCancellation()
    try checkTime()
    guard let columns = try await cursor.next() else {
      self.cursor = nil
      guard cursor.coverage.isComplete else {
        let why = cursor.coverage.failures.joined(separator: "; ")
        throw QueryError(.internal, "the answer would be incomplete: \(why)")
      }
      return nil
    }
    seriesRead += columns.count
    samplesRead += columns.timestamps.count
    guard seriesRead <= limits.series else {
      throw QueryError(.execution, "exceeded series limit (\(limits.series))")
    }
    guard samplesRead <= limits.samples else {
      throw QueryError(.execution, "exceeded sample limit (\(limits.samples))")
    }
    return columns
  }

  /// Calls `body` with each series of a chunk that has samples.
  static func forEachSeries(of columns: SeriesColumns, _ body: (RemoteReadSeries) -> Void) {
    var histogram = 0
    for row in 0..<columns.count {
      var series = RemoteReadSeries(labels: columns.labels[row])
      for sample in columns.offsets[row]..<columns.offsets[row + 1] {
        if histogram < columns.histogramIndexes.count, columns.histogramIndexes[histogram] == sample {
          series.histogramTimes.append(columns.timestamps[sample])
          series.histograms.append(columns.histograms[histogram])
          histogram += 1
        } else {
          series.times.append(columns.timestamps[sample])
          series.values.append(columns.values[sample])
        }
      }
      if !series.times.isEmpty || !series.histograms.isEmpty { body(series) }
    }
  }
}

/// The frames of a remote read's answer in chunks, piece by piece.
///
/// `@unchecked Sendable`: one task at a time uses it. Whoever writes the answer asks for a piece when the one before is
/// written, and whoever makes the first one is done with it before.
final class RemoteReadFrames: @unchecked Sendable {
  private let reading: RemoteReading
  private let isSorted: Bool
  private var query = -1

  /// Where series are not sorted as clients need them, those of a query are all kept until they are.
  init(_ reading: RemoteReading, isSorted: Bool) {
    self.reading = reading
    self.isSorted = isSorted
  }

  /// The next piece, nil at the end; empty where nothing came of much.
  func next() async throws -> [UInt8]? {
    if query < 0 { try await beginNext() }
    while query < reading.question.queries.count {
      guard isSorted else {
        let bytes = try await sortedFrames()
        try await beginNext()
        return bytes
      }
      if let columns = try await reading.next() {
        var bytes: [UInt8] = []
        RemoteReading.forEachSeries(of: columns) {
          RemoteReadAnswer.appendFrames($0, queryIndex: query, to: &bytes)
        }
        return bytes
      }
      try await beginNext()
    }
    return nil
  }

  private func beginNext() async throws {
    query += 1
    if query < reading.question.queries.count { try await reading.begin(query) }
  }

  private func sortedFrames() async throws -> [UInt8] {
    var found: [(labels: [Label], frames: [UInt8])] = []
    var byteCount = 0
    while let columns = try await reading.next() {
      RemoteReading.forEachSeries(of: columns) { series in
        var frames: [UInt8] = []
        RemoteReadAnswer.appendFrames(series, queryIndex: query, to: &frames)
        byteCount += frames.count
        found.append((series.labels.labels, frames))
      }
      guard byteCount <= RemoteReadAPI.answerBytesMax else {
        throw QueryError(
          .execution,
          "the chunks are more than \(RemoteReadAPI.answerBytesMax) bytes, and are to be sorted; ask for less")
      }
    }
    return found.sorted { Self.precedes($0.labels, $1.labels) }.flatMap(\.frames)
  }

  /// Prometheus' order: label by label, each by its name and then by its value.
  private static func precedes(_ left: [Label], _ right: [Label]) -> Bool {
    for (one, other) in zip(left, right) {
      for (text, otherText) in [(one.name, other.name), (one.value, other.value)] where text != otherText {
        return text.utf8.lexicographicallyPrecedes(otherText.utf8)
      }
    }
    return left.count < right.count
  }
}
