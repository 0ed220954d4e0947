import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Starts of a run")
struct RunStartTests {
  @Test("come back, and take nothing where they are those of the series", arguments: 1...40)
  func comeBack(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 21_000_000)
    for _ in 0..<50 {
      let count = generator.int(1...100)
      let changes = generator.pick([1, 10, 1000])
      var told: [Int64] = []
      var current: Int64 = generator.pick([0, 5, .min, .max])
      for _ in 0..<count {
        if generator.oneIn(changes) {
          current = generator.pick([0, 5, 6, .min, .max, Int64(generator.int(0...1 << 40))])
        }
        told.append(current)
      }
      var marks = StartMarks()
      for (index, start) in told.enumerated() { marks.append(start, from: index) }
      let common = generator.pick([0, 5, told[0]])
      let bytes = RunStarts.encode(marks, count: count, common: common)
      #expect(bytes.isEmpty == told.allSatisfy { $0 == common }, "seed \(seed)")
      guard !bytes.isEmpty else { continue }
      try bytes.withUnsafeBytes { bytes in
        let decoded = try RunStarts.decode(bytes, count: count)
        #expect(decoded == marks, "seed \(seed)")
        let isLonger = (try? RunStarts.decode(bytes, count: count + 1)) != nil
        let isCut = (try? RunStarts.decode(UnsafeRawBufferPointer(rebasing: bytes.dropLast()), count: count)) != nil
        #expect(!isLonger && !isCut, "seed \(seed)")
      }
    }
  }
}
