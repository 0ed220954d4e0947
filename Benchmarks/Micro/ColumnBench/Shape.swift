import NeedletailEnvironment

/// One kind of data: floats, or times in ms.
struct Shape {
  enum Data {
    case values([Double])
    case times([Int64])
  }

  let name: String
  let data: Data

  /// All shapes, `count` numbers each; the same on every machine.
  static func all(count: Int) -> [Shape] {
    func values(_ name: String, seed: UInt64, _ make: (inout SeededGenerator, Int) -> Double) -> Shape {
      var random = SeededGenerator(seed: seed)
      return Shape(name: name, data: .values((0..<count).map { make(&random, $0) }))
    }
    func times(_ name: String, seed: UInt64, _ make: (inout SeededGenerator, Int) -> Int64) -> Shape {
      var random = SeededGenerator(seed: seed)
      return Shape(name: name, data: .times((0..<count).map { make(&random, $0) }))
    }
    var total = 0
    var slow = 1_000_000
    var resetting = 0
    var walk = 50_000
    var stale = 50_000
    var pages = 100_000
    var bucket = 0
    var seconds = 0.0
    return [
      values("counter, noisy rate", seed: 1) { random, _ in
        total += .random(in: 0...60, using: &random)
        return Double(total)
      },
      values("counter, slow", seed: 2) { random, _ in
        if Int.random(in: 0..<20, using: &random) == 0 { slow += 1 }
        return Double(slow)
      },
      values("counter with resets", seed: 3) { random, _ in
        resetting = Int.random(in: 0..<200, using: &random) == 0 ? 0 : resetting + .random(in: 0...60, using: &random)
        return Double(resetting)
      },
      values("gauge, 2 decimals, walk", seed: 4) { random, _ in
        walk += .random(in: -30...30, using: &random)
        return Double(walk) / 100
      },
      values("gauge, 2 decimals, noise", seed: 5) { random, _ in
        Double(5000 + Int(10 * gaussian(&random) * 4)) / 100
      },
      values("gauge with stale markers", seed: 6) { random, _ in
        if Int.random(in: 0..<100, using: &random) == 0 { return Double(bitPattern: 0x7FF0_0000_0000_0002) }
        stale += .random(in: -30...30, using: &random)
        return Double(stale) / 100
      },
      values("memory, times 4096", seed: 7) { random, _ in
        pages += Int(gaussian(&random) * 40)
        return Double(pages * 4096)
      },
      values("histogram bucket", seed: 8) { random, _ in
        bucket += max(0, Int(6 + gaussian(&random) * 4))
        return Double(bucket)
      },
      values("constant", seed: 9) { _, _ in 42.5 },
      values("float counter, full mantissa", seed: 10) { random, _ in
        seconds += Double.random(in: 0...15, using: &random)
        return seconds
      },
      values("random float", seed: 11) { random, _ in Double.random(in: 0..<1, using: &random) },
      times("times, exact", seed: 12) { _, index in 1_700_000_000_000 + Int64(index) * 15_000 },
      times("times, jitter 3 ms", seed: 13) { random, index in
        1_700_000_000_000 + Int64(index) * 15_000 + Int64(gaussian(&random) * 3)
      },
    ]
  }

  /// About normal, deviation 1: the sum of twelve uniform numbers.
  private static func gaussian(_ random: inout SeededGenerator) -> Double {
    var sum = -6.0
    for _ in 0..<12 { sum += Double.random(in: 0..<1, using: &random) }
    return sum
  }
}
