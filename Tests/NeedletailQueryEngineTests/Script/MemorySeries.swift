import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// A source of series that lie in memory; it answers in small chunks, so that the engine has to put them together.
final class MemorySeries: SeriesSource {
  struct Point {
    var time: Int64
    var value: Double
    var histogram: NativeHistogram?
    /// When its count began, in ms; 0 where nobody told.
    var start: Int64 = 0
  }

  private struct State {
    var series: [LabelSet: [Point]]
    /// The times at which something was put since the start.
    var changes: [Int64] = []
  }

  private let state: Lock<State>
  private let chunkSize: Int
  /// Whether labels that a query does not need are told all the same.
  private let tellsAllLabels: Bool
  /// How many samples others may stand for at most, where the hints allow it; nil for none.
  private let condensedMax: Int?

  init(
    _ series: [LabelSet: [Point]], chunkSize: Int = 3, tellsAllLabels: Bool = false, condensedMax: Int? = nil
  ) {
    self.tellsAllLabels = tellsAllLabels
    self.condensedMax = condensedMax
    state = Lock(State(series: series.mapValues(Self.settled)))
    self.chunkSize = chunkSize
  }

  private static func settled(_ points: [Point]) -> [Point] {
    var byTime: [Int64: Point] = [:]
    for point in points { byTime[point.time] = point }
    return byTime.values.sorted { $0.time < $1.time }
  }

  var series: [LabelSet: [Point]] { state.withLock { $0.series } }

  /// Adds a point, or puts it in another's place.
  func put(_ point: Point, in labels: LabelSet) {
    state.withLock { state in
      state.series[labels] = Self.settled((state.series[labels] ?? []) + [point])
      state.changes.append(point.time)
    }
  }

  var changeMark: UInt64? { state.withLock { UInt64($0.changes.count) } }

  func changedTimes(since mark: UInt64, within range: ClosedRange<Int64>) -> [ClosedRange<Int64>] {
    state.withLock { state in
      state.changes.dropFirst(Int(mark)).filter(range.contains).sorted().map { $0...$0 }
    }
  }

  func select(_ selection: SeriesSelection) async throws -> any SeriesCursor {
    let matching = series.filter { entry in selection.matchers.allSatisfy { $0.matches(entry.key) } }
    let sorted = matching.sorted { $0.key.description < $1.key.description }
    var chunks: [SeriesColumns] = []
    var chunk = SeriesColumns()
    for (labels, points) in sorted {
      let start = selection.range.startMilliseconds
      let before = points.last { $0.time < start && selection.hints.takesHistogramBefore }
      let context = (before.map { [$0] } ?? []).filter { $0.histogram != nil }
      let found = context + points.filter { selection.range.contains($0.time) }
      for (point, omitted) in condensed(found, selection.hints.standIns) {
        if omitted > 0 { chunk.omissions.append(SampleOmission(index: chunk.timestamps.count, count: omitted)) }
        if selection.hints.needsStarts || tellsAllLabels {
          chunk.starts.append(point.start, from: chunk.timestamps.count)
        }
        if let histogram = point.histogram {
          chunk.append(timestamp: point.time, histogram: histogram)
        } else {
          chunk.append(timestamp: point.time, value: point.value)
        }
      }
      chunk.finishSeries(told(labels, selection.hints.labels))
      if chunk.count >= chunkSize {
        chunks.append(chunk)
        chunk = SeriesColumns()
      }
    }
    chunks.append(chunk)
    return MemoryCursor(chunks)
  }

  /// Points, some of which stand for all between them, and how many are left out before each.
  private func condensed(_ points: [Point], _ standIns: StandIns?) -> [(point: Point, omitted: Int)] {
    guard let standIns, let condensedMax, points.allSatisfy({ $0.histogram == nil && $0.start == 0 }) else {
      return points.map { ($0, 0) }
    }
    var result: [(point: Point, omitted: Int)] = []
    var rest = points[...]
    while let first = rest.first {
      let some = rest.prefix(2 + (rest.count * 7 + Int(first.time / 1000)) % condensedMax)
      let values = some.map(\.value)
      let falls = zip(values, values.dropFirst()).contains { $0.0 > $0.1 }
      if some.count > 1, !values.contains(where: \.isNaN), standIns.values != .ends || !falls,
        standIns.mayReplace(from: some[some.startIndex].time, to: some[some.endIndex - 1].time)
      {
        var (one, other) = (some[some.startIndex], some[some.endIndex - 1])
        if standIns.values != .ends {
          let isLess: (Double, Double) -> Bool = standIns.values == .least ? { $0 < $1 } : { $1 < $0 }
          let best = values.dropFirst().reduce(values[0]) { isLess($1, $0) ? $1 : $0 }
          (one.value, other.value) = (best, best)
        }
        result += [(one, 0), (other, some.count - 2)]
        rest = rest[some.endIndex...]
      } else {
        result.append((first, 0))
        rest = rest.dropFirst()
      }
    }
    return result
  }

  private func told(_ labels: LabelSet, _ needed: [String]?) -> LabelSet {
    guard let needed, !tellsAllLabels else { return labels }
    return LabelSet(labels.labels.filter { needed.contains($0.name) })
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    Listing(Array(Set(series.keys.flatMap { $0.labels.map(\.name) }).sorted().prefix(limit)))
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    Listing(Array(Set(series.keys.compactMap { $0[name] }).sorted().prefix(limit)))
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    Listing(Array(series.keys.prefix(limit)))
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] { [] }
}

final class MemoryCursor: SeriesCursor {
  private var chunks: [SeriesColumns]

  init(_ chunks: [SeriesColumns]) { self.chunks = chunks.reversed() }

  func next() async throws -> SeriesColumns? { chunks.popLast() }

  var coverage: Coverage { .complete }

  var seriesMax: Int? { chunks.reduce(0) { $0 + $1.count } }

  /// A share may be empty, and there may be fewer than were asked for.
  func shares(_ countMax: Int) -> [any SeriesShare] {
    let chunks = Array(chunks.reversed())
    let size = max(1, (chunks.count + countMax - 1) / countMax)
    return stride(from: 0, to: chunks.count, by: size).map { start in
      MemoryShare(chunks: Array(chunks[start..<min(start + size, chunks.count)]))
    }
  }
}

private struct MemoryShare: SeriesShare {
  let chunks: [SeriesColumns]

  func cursor() -> any SeriesCursor { MemoryCursor(chunks) }
}
