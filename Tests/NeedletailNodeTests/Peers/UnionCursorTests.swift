import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailNode

@Suite("The union of what replicas hold")
struct UnionCursorTests {
  /// A sample of a series; a histogram where there is one.
  struct Held {
    var time: Int64
    var value: Double
    var histogram: NativeHistogram?
    var start: Int64

    /// What decides between two of one time: whatever is greater stays.
    var rank: [UInt8] {
      var writer = ByteWriter()
      guard let histogram else {
        let isNumber: UInt8 = StaleMarker.matches(value) ? 0 : 1
        return [0, isNumber] + withUnsafeBytes(of: value.bitPattern.bigEndian) { Array($0) }
      }
      histogram.encode(to: &writer)
      return [1, histogram.isStale ? 0 : 1] + writer.bytes
    }
  }

  @Test("has each series once, and of the samples at one time that which one engine would have kept")
  func model() async throws {
    for _ in 0..<300 {
      let seed = UInt64.random(in: 0 ... .max)
      var random = SeededGenerator(seed: seed)
      let replicas = (0..<Int.random(in: 0...4, using: &random)).map { _ in Self.replica(&random) }
      let union = UnionCursor(replicas.map { Self.cursor(of: $0, &random) })
      var found: [(LabelSet, [String])] = []
      while let chunk = try await union.next() {
        var histogram = 0
        for row in 0..<chunk.count {
          let samples = (chunk.offsets[row]..<chunk.offsets[row + 1]).map { index in
            let isHistogram = chunk.histogramIndexes.dropFirst(histogram).first == index
            defer { histogram += isHistogram ? 1 : 0 }
            return Self.text(
              Held(
                time: chunk.timestamps[index], value: chunk.values[index],
                histogram: isHistogram ? chunk.histograms[histogram] : nil, start: chunk.starts.start(of: index)))
          }
          found.append((chunk.labels[row], samples))
        }
      }
      var wanted: [LabelSet: [Int64: Held]] = [:]
      for replica in replicas {
        for (labels, samples) in replica {
          for sample in samples {
            let known = wanted[labels, default: [:]][sample.time]
            wanted[labels, default: [:]][sample.time] = known.map { Self.winner($0, sample) } ?? sample
          }
        }
      }
      let order = wanted.keys.sorted(by: SeriesOrder.precedes)
      #expect(found.map(\.0) == order, "seed \(seed)")
      for (labels, samples) in found {
        let held = (wanted[labels] ?? [:]).values.sorted { $0.time < $1.time }
        #expect(samples == held.map(Self.text), "seed \(seed)")
      }
    }
  }

  @Test("sources are asked for their series all at once")
  func together() async throws {
    let meeting = Meeting(of: 3)
    let union = UnionSeriesSource(sources: (0..<3).map { _ in MeetingSource(meeting: meeting) })
    let cursor = try await union.select(SeriesSelection(tenant: .default, matchers: [], range: .all))
    #expect(try await cursor.next()?.count == nil)
  }

  private static func winner(_ left: Held, _ right: Held) -> Held {
    if left.rank == right.rank {
      var winner = left
      winner.start = max(left.start, right.start)
      return winner
    }
    return left.rank.lexicographicallyPrecedes(right.rank) ? right : left
  }

  private static func text(_ held: Held) -> String {
    "\(held.time) \(held.start) \(held.rank)"
  }

  /// A few series with few times and values, so that replicas agree, lack something or differ.
  private static func replica(_ random: inout SeededGenerator) -> [(LabelSet, [Held])] {
    var generator = TelemetryGenerator(seed: UInt64.random(in: 0..<40, using: &random))
    var histograms = HistogramGenerator(.integers, oddity: 5, &generator)
    let values = [1.5, -0.0, 0, StaleMarker.value, .infinity, Double(bitPattern: 0x7ff8_0000_0000_0001)]
    return (0..<5).filter { _ in Bool.random(using: &random) }.map { series in
      let held = (0..<Int64.random(in: 1...6, using: &random)).compactMap { time -> Held? in
        guard Int.random(in: 0..<4, using: &random) > 0 else { return nil }
        let histogram = series % 2 == 1 && Bool.random(using: &random) ? histograms.next(&generator) : nil
        return Held(
          time: time * 1_000, value: histogram?.sum ?? values.randomElement(using: &random) ?? 0, histogram: histogram,
          start: [0, 0, 5, 7].randomElement(using: &random) ?? 0)
      }
      return (LabelSet(["__name__": series < 3 ? "m" : "n", "of": "series \(series)"]), held)
    }
    .filter { !$0.1.isEmpty }.sorted { SeriesOrder.precedes($0.0, $1.0) }
  }

  private static func cursor(of replica: [(LabelSet, [Held])], _ random: inout SeededGenerator)
    -> any NeedletailQueryEngine.SeriesCursor
  {
    var chunks: [SeriesColumns] = []
    var chunk = SeriesColumns()
    for (labels, samples) in replica {
      for sample in samples {
        chunk.starts.append(sample.start, from: chunk.timestamps.count)
        if let histogram = sample.histogram {
          chunk.append(timestamp: sample.time, histogram: histogram)
        } else {
          chunk.append(timestamp: sample.time, value: sample.value)
        }
      }
      chunk.finishSeries(labels)
      if Bool.random(using: &random) {
        chunks.append(chunk)
        chunk = SeriesColumns()
      }
    }
    return ListCursor(chunks + [chunk])
  }
}

/// Where each waits until all are there.
private actor Meeting {
  private var missing: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(of count: Int) { missing = count }

  func join() async {
    missing -= 1
    guard missing > 0 else {
      for waiter in waiting { waiter.resume() }
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }
}

/// Has nothing, and says so when all others were asked too.
private struct MeetingSource: SeriesSource {
  let meeting: Meeting

  func select(_ selection: SeriesSelection) async throws -> any NeedletailQueryEngine.SeriesCursor {
    await meeting.join()
    return ListCursor([])
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> { Listing([]) }
  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> { Listing([]) }
  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> { Listing([]) }
  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] { [] }
}

/// Yields chunks that are there already.
final class ListCursor: NeedletailQueryEngine.SeriesCursor {
  private var chunks: ArraySlice<SeriesColumns>

  init(_ chunks: [SeriesColumns]) { self.chunks = chunks[...] }

  var coverage: Coverage { .complete }

  func next() async throws -> SeriesColumns? { chunks.popFirst() }
}
