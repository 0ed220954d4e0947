import NeedletailCluster
import NeedletailEnvironment
import Testing

@Suite("A wait before trying again") struct BackoffTests {
  @Test(
    "lies between zero and a limit that doubles up to its cap, and follows from the seed",
    arguments: 1...20 as ClosedRange<UInt64>)
  func bounds(seed: UInt64) {
    let backoff = Backoff(base: 100, cap: 1500)
    #expect(
      [1, 2, 3, 4, 5, 6, 1000, .max].map { backoff.longest(failures: $0) } == [
        100, 200, 400, 800, 1500, 1500, 1500, 1500,
      ])
    #expect(backoff.longest(failures: 0) == 100 && backoff.longest(failures: .min) == 100)
    var generator = SeededGenerator(seed: seed)
    var again = generator
    let waits = (1...50).map { backoff.delay(failures: $0, using: &generator) }
    #expect(waits == (1...50).map { backoff.delay(failures: $0, using: &again) })
    for (index, wait) in waits.enumerated() {
      #expect((0...backoff.longest(failures: index + 1)).contains(wait), "seed \(seed)")
    }
    #expect(Set(waits).count > 25, "there is jitter, seed \(seed)")
  }

  @Test("has limits that make sense, whatever was asked for")
  func strange() {
    #expect(Backoff(base: -5, cap: -7).longest(failures: 9) == 1)
    #expect(Backoff(base: .max, cap: 3).longest(failures: 70) == .max)
    #expect(Backoff(base: 3, cap: .max).longest(failures: 62) == 3 << 61)
    #expect(Backoff(base: 3, cap: .max).longest(failures: 63) == .max)
  }
}
