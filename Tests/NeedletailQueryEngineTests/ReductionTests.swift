import NeedletailQueryLanguage
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine

@Suite("Shortcuts give what the long way gives")
struct ReductionTests {
  @Test("a reduction over flat columns gives the accumulator's bits", arguments: 1...60)
  func flatReduction(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let width = generator.int(1...5)
    var grid = VectorGrid(width: width)
    let special = [
      Double.nan, .infinity, -.infinity, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
      .leastNonzeroMagnitude,
    ]
    for _ in 0..<generator.int(0...12) {
      let row = grid.addRow(.empty)
      for step in 0..<width where !generator.oneIn(4) {
        let isSpecial = seed % 3 == 0 && generator.oneIn(4)
        grid.set(row, step, isSpecial ? generator.pick(special) : Double(generator.int(-1000...1000)) / 10)
      }
    }
    for operation in [AggregationOperation.sum, .avg, .min, .max, .count, .group] {
      guard var reduction = NumberReduction(operation, width: width) else {
        Issue.record("no reduction for \(operation)")
        continue
      }
      for row in 0..<grid.count { reduction.add(grid, row: row) }
      for step in 0..<width {
        var accumulator = Accumulator(operation)
        for row in 0..<grid.count { if let value = grid.number(row, step) { accumulator.add(value) } }
        var expected: Double?
        if case .number(let value) = accumulator.result { expected = value }
        do {
          let found = try reduction.result(at: step)
          #expect(found.map(Self.bits) == expected.map(Self.bits), "seed \(seed), \(operation)")
        } catch {
          #expect(operation == .avg, "seed \(seed)")
        }
      }
    }
  }

  /// All NaN are one: their payloads follow from the order of the operands.
  private static func bits(_ value: Double) -> UInt64 { value.isNaN ? 1 : value.bitPattern }

  @Test("a number that is found by its place is the one that stands there in the order of all", arguments: 1...200)
  func places(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let count = generator.int(1...(seed % 2 == 0 ? 40 : 900))
    let distinct = generator.pick([0, 1, 5, 100_000])
    var numbers = (0..<count).map { _ in Double(generator.int(-distinct...distinct)) / 8 }
    if generator.oneIn(3) { numbers.sort() }
    if generator.oneIn(3) { numbers.reverse() }
    if generator.oneIn(2) {
      for _ in 0...count / 5 {
        numbers[generator.int(0...count - 1)] = generator.pick([.nan, .infinity, -.infinity, 0, -0.0])
      }
    }
    let sorted = numbers.sorted { $0 < $1 || ($0.isNaN && !$1.isNaN) }
    func isSame(_ one: Double, _ other: Double) -> Bool { one == other || (one.isNaN && other.isNaN) }
    for place in [0, count / 10, count / 2, count * 9 / 10, count - 1] {
      var some = numbers
      let (found, next) = OrderStatistic.neighbours(in: &some, at: place)
      #expect(isSame(found, sorted[place]), "seed \(seed), \(place) of \(count)")
      #expect(isSame(next, sorted[min(place + 1, count - 1)]), "seed \(seed), \(place) of \(count)")
      some.sort { $0 < $1 || ($0.isNaN && !$1.isNaN) }
      #expect(some.elementsEqual(sorted, by: isSame), "seed \(seed)")
    }
  }

  @Test("a window slides to the same samples as a look at each of them finds", arguments: 1...60)
  func sliding(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var samples = RangeSamples()
    var time: Int64 = 0
    for _ in 0..<generator.int(0...200) {
      time += Int64(generator.int(1...40))
      samples.times.append(time)
      samples.values.append(0)
    }
    var slider = RangeSlider()
    var end: Int64 = -50
    let range = Int64(generator.int(1...300))
    for _ in 0..<80 {
      end += Int64(generator.int(0...120))
      let window = RangeWindow(start: end - range, end: end)
      slider.slide(over: samples, to: window)
      let expected = samples.times.indices.filter { samples.times[$0] > window.start && samples.times[$0] <= end }
      #expect(Array(slider.numbers) == expected, "seed \(seed)")
    }
  }

  @Test("labels are split into the metric's name and the rest", arguments: [true, false])
  func splitName(hasName: Bool) {
    for labels in [["a": "1", "b": "2"], ["A": "1"], ["A": "1", "b": "2"], [:]] as [[String: String]] {
      var pairs = labels.map { Label($0.key, $0.value) }
      let rest = LabelSet(pairs)
      if hasName { pairs.append(Label(LabelSet.nameLabel, "metric")) }
      let split = LabelSet(pairs).splitName()
      #expect(split.rest == rest)
      #expect(Array(split.name) == (hasName ? Array("metric".utf8) : []))
    }
  }
}
