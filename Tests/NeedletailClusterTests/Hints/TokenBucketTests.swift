import NeedletailCluster
import NeedletailEnvironment
import Testing

@Suite("A token bucket") struct TokenBucketTests {
  @Test(
    "lets a burst through and then holds the pace, however large the pieces are",
    arguments: 1...50 as ClosedRange<UInt64>)
  func pace(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var bucket = TokenBucket(perSecond: 1000, burst: 200)
    var now = Int64.random(in: -5_000_000_000...5_000_000_000, using: &generator)
    let start = now
    var passed = 0
    var largest = 0
    for _ in 0..<400 {
      let units = Int.random(in: 0...600, using: &generator)
      let wait = bucket.wait(at: now)
      let isTaken = bucket.take(units, at: now)
      #expect(isTaken == (wait == 0), "seed \(seed)")
      if isTaken {
        passed += units
        largest = max(largest, units)
      }
      now += Bool.random(using: &generator) ? wait : Int64.random(in: 0...400_000_000, using: &generator)
    }
    let allowed = 200 + Int((now - start) / 1_000_000) + largest + 1
    #expect(passed <= allowed, "seed \(seed)")
    now += bucket.wait(at: now)
    #expect(bucket.wait(at: now) == 0, "what it says to wait is enough, seed \(seed)")
  }

  @Test("is not starved: whoever takes all that there is gets the pace")
  func isNotSlower() {
    var bucket = TokenBucket(perSecond: 1000, burst: 100)
    var passed = 0
    for now in stride(from: Int64(0), through: 10_000_000_000, by: 1_000_000) where bucket.take(10, at: now) {
      passed += 10
    }
    #expect((10_000...10_120).contains(passed))
  }

  @Test("takes numbers that make no sense without a trap")
  func strange() {
    var buckets = [TokenBucket(perSecond: -4, burst: .max), TokenBucket(perSecond: .max, burst: 0)]
    for index in buckets.indices {
      let isTaken = buckets[index].take(.max, at: .min)
      #expect(isTaken)
      _ = buckets[index].take(.max, at: 0)
      _ = buckets[index].take(-3, at: .max)
      #expect(buckets[index].wait(at: 5) >= 0)
    }
  }
}
