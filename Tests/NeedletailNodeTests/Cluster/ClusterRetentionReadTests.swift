import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Reads over a cluster at the edge of retention")
struct ClusterRetentionReadTests {
  private static let hour: Int64 = 3_600_000

  /// The times of all samples that a source has of `m`.
  private static func times(_ source: any SeriesSource, _ range: TimeRange) async throws -> [Int64] {
    let cursor = try await source.select(SeriesSelection(tenant: .default, matchers: [], range: range))
    var times: [Int64] = []
    while let chunk = try await cursor.next() { times += chunk.timestamps }
    return times
  }

  @Test("what one replica lacks is found from the first whole hour on, and nothing of before is told")
  func edge() async throws {
    try await ReadCluster.run { cluster in
      let engine = cluster.single.reads.series.engine
      let now = cluster.clock.wallNanoseconds() / 1_000_000
      let (first, earliest) = (engine.comparedFrom, engine.acceptedTimes(at: now, tenant: .default).lowerBound)
      let ahead: Int64 = first - earliest
      #expect(first % Self.hour == 0)
      #expect(ahead >= 600_000 && ahead < 600_000 + Self.hour)
      // Each is on two of three, as acknowledged ones are.
      let times: [Int64] = [earliest + 1, first - 1, first, first + Self.hour - 1, first + 5 * Self.hour]
      let samples: [(time: Int64, value: Double)] = times.map { (time: $0, value: 1) }
      try await cluster.append(LabelSet(["__name__": "m"]), samples) { node, sample in sample % 3 != node }
      #expect(try await Self.times(cluster.single.reads.series, .all) == times)
      for node in cluster.nodes {
        #expect(try await Self.times(node.source().source, .all) == Array(times.dropFirst(2)))
      }
      let old = try #require(TimeRange(startMilliseconds: .min, endMilliseconds: first - 1))
      #expect(try await Self.times(cluster.nodes[0].source().source, old).isEmpty)
    }
  }
}
