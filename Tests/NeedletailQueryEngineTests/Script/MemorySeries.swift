import NeedletailQueryEngine
import NeedletailTelemetry
import Synchronization

/// A source of series that lie in memory; it answers in small chunks, so that the engine has to put them together.
final class MemorySeries: SeriesSource {
  struct Point {
    var time: Int64
    var value: Double
    var histogram: NativeHistogram?
  }

  private let series: [LabelSet: [Point]]
  private let chunkSize: Int

  init(_ series: [LabelSet: [Point]], chunkSize: Int = 3) {
    self.series = series.mapValues { points in
      var byTime: [Int64: Point] = [:]
      for point in points { byTime[point.time] = point }
      return byTime.values.sorted { $0.time < $1.time }
    }
    self.chunkSize = chunkSize
  }

  func select(_ selection: SeriesSelection) async throws -> any SeriesCursor {
    let matching = series.filter { entry in selection.matchers.allSatisfy { $0.matches(entry.key) } }
    let sorted = matching.sorted { $0.key.description < $1.key.description }
    var chunks: [SeriesColumns] = []
    var chunk = SeriesColumns()
    for (labels, points) in sorted {
      for point in points where selection.range.contains(point.time) {
        if let histogram = point.histogram {
          chunk.append(timestamp: point.time, histogram: histogram)
        } else {
          chunk.append(timestamp: point.time, value: point.value)
        }
      }
      chunk.finishSeries(labels)
      if chunk.count >= chunkSize {
        chunks.append(chunk)
        chunk = SeriesColumns()
      }
    }
    chunks.append(chunk)
    return MemoryCursor(chunks)
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
}
