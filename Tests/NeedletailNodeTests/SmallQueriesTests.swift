import Testing

@testable import NeedletailNode

@Suite("Which queries are small")
struct SmallQueriesTests {
  private let little = SmallQueries.smallNanoseconds - 1

  @Test("only a query that took little on a thread is small, until it takes more")
  func small() {
    let queries = SmallQueries()
    #expect(!queries.contains(7))
    queries.ran(7, nanoseconds: SmallQueries.smallNanoseconds)
    #expect(!queries.contains(7))
    queries.ran(7, nanoseconds: little)
    #expect(queries.contains(7) && !queries.contains(8))
    queries.ranInPlace(7, nanoseconds: SmallQueries.largeNanoseconds - 1)
    #expect(queries.contains(7))
    queries.ran(7, nanoseconds: SmallQueries.smallNanoseconds)
    #expect(!queries.contains(7))
  }

  @Test("what fails in place is tried there again ever later, and as before once it did well")
  func pauses() {
    let queries = SmallQueries()
    queries.ran(7, nanoseconds: little)
    /// How often it must be small on a thread until it may run in place again.
    func pause() -> Int {
      var count = 0
      while !queries.contains(7) {
        queries.ran(7, nanoseconds: little)
        count += 1
      }
      return count
    }
    for wanted in [2, 4, 8] {
      queries.failedInPlace(7)
      #expect(pause() == wanted)
    }
    queries.ranInPlace(7, nanoseconds: SmallQueries.largeNanoseconds)
    #expect(pause() == 16, "taking long is a failure too")
    queries.ranInPlace(7, nanoseconds: 0)
    queries.failedInPlace(7)
    #expect(pause() == 2)
    for _ in 0..<100 { queries.failedInPlace(7) }
    #expect(pause() == 1024)
  }

  @Test("a query that shares another one's entry pushes it out, and takes note of nothing before")
  func collisions() {
    let queries = SmallQueries()
    let (one, other) = (5, 5 + 4096)
    queries.ran(one, nanoseconds: little)
    queries.failedInPlace(other)
    queries.ranInPlace(other, nanoseconds: SmallQueries.largeNanoseconds)
    queries.ran(other, nanoseconds: SmallQueries.smallNanoseconds)
    #expect(queries.contains(one) && !queries.contains(other))
    queries.ran(other, nanoseconds: little)
    #expect(queries.contains(other) && !queries.contains(one))
    queries.ran(-1, nanoseconds: little)
    #expect(queries.contains(-1))
  }
}
