import NeedletailEnvironment
import NeedletailSimulation
import Testing

@testable import NeedletailNode

@Suite("Deadlines of queries")
struct QueryDeadlinesTests {
  @Test("what is beyond its time is ended once, what was forgotten or has time left is not")
  func sweeping() {
    let deadlines = QueryDeadlines(clock: ManualClock())
    let ended = Lock<[String]>([])
    func add(_ name: String, _ deadline: Int64) -> UInt64 {
      deadlines.add(deadline) { ended.withLock { $0.append(name) } }
    }
    _ = add("early", 10)
    let forgotten = add("forgotten", 10)
    let late = add("late", 20)
    deadlines.forget(forgotten)
    deadlines.sweep(9)
    #expect(ended.withLock { $0 } == [])
    deadlines.sweep(10)
    deadlines.sweep(15)
    #expect(ended.withLock { $0 } == ["early"])
    deadlines.forget(late)
    deadlines.sweep(100)
    #expect(ended.withLock { $0 } == ["early"])
  }
}
