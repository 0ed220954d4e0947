import NeedletailCluster
import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("How long nodes take")
struct PeerTimesTests {
  private let nodes = ["a", "b", "c"].map { NodeID($0) }

  @Test("late is after what nearly all answers of the node in the middle take, within bounds")
  func late() {
    let times = PeerTimes()
    #expect(times.lateAfter(nodes) == PeerTimes.lateAtFirst)
    for _ in 0..<100 {
      times.answered(nodes[0], after: 1_000_000)
      times.answered(nodes[1], after: 100_000_000)
      times.answered(nodes[2], after: 60_000_000_000)
    }
    #expect(times.latency(of: nodes[0]) == 1_000_000)
    // The deviation of answers that always take the same has died away.
    #expect((100_000_000...110_000_000).contains(times.lateAfter(nodes)))
    #expect(times.lateAfter([nodes[0]]) == PeerTimes.lateMin)
    #expect(times.lateAfter([nodes[2]]) == PeerTimes.lateMax)
    for index in 0..<100 { times.answered(nodes[1], after: index % 2 == 0 ? 50_000_000 : 150_000_000) }
    #expect(times.lateAfter(nodes) > 200_000_000)
  }

  @Test("a node that failed is shunned for a while, also where nothing else is known of it")
  func shunned() {
    let times = PeerTimes()
    times.failed(nodes[0], at: 5)
    #expect(times.isShunned(nodes[0], at: 5 + PeerTimes.shunnedFor - 1))
    #expect(!times.isShunned(nodes[0], at: 5 + PeerTimes.shunnedFor) && !times.isShunned(nodes[1], at: 5))
    times.answered(nodes[0], after: 10)
    #expect(times.isShunned(nodes[0], at: 6) && times.latency(of: nodes[0]) == 10)
    times.failed(nodes[1], at: .max)
    times.forget(nodes[1])
    #expect(!times.isShunned(nodes[1], at: .max - 1))
  }

  private final class DamagedCursor: SeriesCursor {
    var coverage: Coverage { Coverage(failures: ["block 7 of part 3"]) }
    func next() async throws -> SeriesColumns? { nil }
  }

  @Test("an answer to a read over the cluster fails where something damaged was met")
  func damaged() async throws {
    let answer = SelectionAnswer(DamagedCursor(), losses: [], isWhole: true)
    let result = await Result { try await answer.next() }
    guard case .failure(let error as QueryError) = result else {
      Issue.record("\(result)")
      return
    }
    #expect(error.kind == .unavailable && error.message.contains("block 7 of part 3"))
  }
}
