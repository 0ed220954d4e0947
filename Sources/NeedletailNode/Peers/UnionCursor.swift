import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// The union of what several cursors yield: each series once, and of each series one sample at a time.
///
/// The cursors yield series in `SeriesOrder` with all of their labels, as replicas of the same slots do. Where two have
/// different samples of a series at one time, that one counts which would if both had come to one engine. Chunks are
/// held one per cursor.
final class UnionCursor: NeedletailQueryEngine.SeriesCursor {
  private static let chunkSamples = 65_536
  private static let chunkSeries = 4096

  /// A cursor and how far its chunk was read.
  private struct Input {
    let cursor: any NeedletailQueryEngine.SeriesCursor
    var chunk = SeriesColumns()
    var row = 0
    /// The chunk's first histogram that belongs to `row` or a later one.
    var histogram = 0
    var isAtEnd = false

    var labels: LabelSet? { row < chunk.count ? chunk.labels[row] : nil }
    /// What there is to know of the row where it was worked out.
    var derived: DerivedSeries? { chunk.derivation(of: row) }
    var samples: Range<Int> { chunk.offsets[row]..<chunk.offsets[row + 1] }

    /// The histograms of the row.
    var histograms: Range<Int> {
      var end = histogram
      while end < chunk.histogramIndexes.count, chunk.histogramIndexes[end] < samples.upperBound { end += 1 }
      return histogram..<end
    }

    mutating func advance() {
      histogram = histograms.upperBound
      row += 1
    }
  }

  private var inputs: [Input]

  init(_ cursors: [any NeedletailQueryEngine.SeriesCursor]) { inputs = cursors.map { Input(cursor: $0) } }

  var coverage: Coverage {
    var coverage = inputs.first?.cursor.coverage ?? .complete
    for input in inputs.dropFirst() { coverage.merge(input.cursor.coverage) }
    return coverage
  }

  var work: SelectionWork { inputs.reduce(into: SelectionWork()) { $0.add($1.cursor.work) } }

  func next() async throws -> SeriesColumns? {
    var result = SeriesColumns()
    while result.timestamps.count < Self.chunkSamples, result.count < Self.chunkSeries {
      try await fill()
      guard let labels = inputs.compactMap(\.labels).min(by: SeriesOrder.precedes) else { break }
      let owners = inputs.indices.filter { inputs[$0].labels == labels }
      if let only = owners.first, owners.dropFirst().allSatisfy({ isSame(inputs[$0], inputs[only]) }) {
        result.append(inputs[only].row, of: inputs[only].chunk, histograms: inputs[only].histograms)
      } else {
        // What was made of a series has no place among samples of it.
        guard owners.allSatisfy({ inputs[$0].derived == nil }) else {
          throw QueryError(.internal, "what several nodes made of one series cannot be united")
        }
        unite(owners, into: &result)
        result.finishSeries(labels)
      }
      for owner in owners { inputs[owner].advance() }
    }
    return result.count == 0 ? nil : result
  }

  /// Sees to it that every input has a row, or is at its end.
  private func fill() async throws {
    for index in inputs.indices where inputs[index].labels == nil && !inputs[index].isAtEnd {
      while inputs[index].labels == nil, !inputs[index].isAtEnd {
        let chunk = try await inputs[index].cursor.next()
        inputs[index].isAtEnd = chunk == nil
        inputs[index].chunk = chunk ?? SeriesColumns()
        (inputs[index].row, inputs[index].histogram) = (0, 0)
      }
    }
  }

  /// Whether two rows have the same samples, as those of replicas nearly always do.
  private func isSame(_ left: Input, _ right: Input) -> Bool {
    let (one, other) = (left.samples, right.samples)
    guard one.count == other.count, left.derived == nil, right.derived == nil,
      left.histograms.isEmpty, right.histograms.isEmpty,
      left.chunk.timestamps[one].elementsEqual(right.chunk.timestamps[other])
    else { return false }
    return zip(one, other).allSatisfy {
      left.chunk.values[$0].bitPattern == right.chunk.values[$1].bitPattern
    } && left.chunk.starts.starts(of: one) == right.chunk.starts.starts(of: other)
  }

  private func unite(_ owners: [Int], into result: inout SeriesColumns) {
    var union = SampleUnion()
    for owner in owners {
      let input = inputs[owner]
      var next = input.histogram
      for sample in input.samples {
        var histogram: NativeHistogram?
        if next < input.chunk.histogramIndexes.count, input.chunk.histogramIndexes[next] == sample {
          histogram = input.chunk.histograms[next]
          next += 1
        }
        union.add(
          at: input.chunk.timestamps[sample], value: input.chunk.values[sample], histogram,
          start: input.chunk.starts.isEmpty ? 0 : input.chunk.starts.start(of: sample))
      }
    }
    union.write(to: &result)
  }
}

/// The samples of one series from several sources, of which those at one time settle as they would in an engine.
private struct SampleUnion {
  private struct Entry {
    var time: Int64
    var value: Double
    var histogram: NativeHistogram?
    var start: Int64
  }

  private var entries: [Entry] = []

  mutating func add(at time: Int64, value: Double, _ histogram: NativeHistogram?, start: Int64) {
    entries.append(Entry(time: time, value: value, histogram: histogram, start: start))
  }

  consuming func write(to result: inout SeriesColumns) {
    let order = entries.indices.sorted { (entries[$0].time, $0) < (entries[$1].time, $1) }
    var settled: [Entry] = []
    for index in order {
      let entry = entries[index]
      if let last = settled.last, last.time == entry.time {
        settled[settled.count - 1] = Self.winner(last, entry)
      } else {
        settled.append(entry)
      }
    }
    for entry in settled {
      result.starts.append(entry.start, from: result.timestamps.count)
      if let histogram = entry.histogram {
        result.append(timestamp: entry.time, histogram: histogram)
      } else {
        result.append(timestamp: entry.time, value: entry.value)
      }
    }
  }

  /// A histogram beats a number; of two of a kind the rules of data decide, and of equal ones the latest start counts.
  private static func winner(_ left: Entry, _ right: Entry) -> Entry {
    var winner: Entry
    let isTie: Bool
    switch (left.histogram, right.histogram) {
    case (let one?, let other?):
      switch HistogramConflict.precedence(one, other) {
      case .first: (winner, isTie) = (left, false)
      case .second: (winner, isTie) = (right, false)
      case .same: (winner, isTie) = (left, true)
      }
    case (.some, nil): return left
    case (nil, .some): return right
    case (nil, nil):
      let bits = SampleConflict.winner(left.value.bitPattern, right.value.bitPattern)
      winner = bits == left.value.bitPattern ? left : right
      isTie = left.value.bitPattern == right.value.bitPattern
    }
    if isTie { winner.start = max(left.start, right.start) }
    return winner
  }
}
