import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Summaries of runs")
struct RunSummaryTests {
  private func summary(_ values: [Double]) -> RunSummary? {
    let times = values.indices.map { Int64($0) * 10 }
    return times.withUnsafeBufferPointer { times in
      values.withUnsafeBufferPointer { RunSummary(times, $0) }
    }
  }

  @Test("a summary is what its samples come to")
  func values() throws {
    var values = (0..<600).map { Double($0 % 200) }
    values[3] = 1e17
    let found = try #require(summary(values))
    #expect(found.count == 600)
    #expect(found.firstTime == 0 && found.lastTime == 5990)
    #expect(found.first == 0 && found.last == 199)
    #expect(found.minimum == 0 && found.maximum == 1e17)
    let small = values.filter { $0 != 1e17 }.reduce(0, +)
    #expect(found.sum == small + 1e17)
    #expect(found.resets == 3)
    #expect(found.resetSum == 1e17 + 199 + 199)
  }

  @Test("short runs and runs with something that is not a number have none")
  func none() {
    #expect(summary(Array(repeating: 1, count: RunSummary.countMin - 1)) == nil)
    #expect(summary(Array(repeating: 1, count: RunSummary.countMin)) != nil)
    #expect(summary((0..<600).map { $0 == 599 ? .nan : 1 }) == nil)
    #expect(summary((0..<600).map { $0 == 5 ? .infinity : 1 })?.sum == .infinity)
  }

  @Test("rows come back from their columns", arguments: 1...20)
  func rows(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var rows: [SummaryRow] = []
    for index in 0..<generator.int(1...200) {
      let (first, sum) = (Double(generator.int(0...9)), Double(generator.int(0...1_000_000)) / 7)
      let summary = RunSummary(
        count: generator.int(512...2048), times: (Int64(index), Int64(index + 5)), first: first, last: -0.5,
        minimum: -.infinity, maximum: Double(index) / 3, sum: sum, resets: generator.int(0...3), resetSum: 0)
      rows.append(SummaryRow(run: UInt32(index % 7), summary: summary))
    }
    let bytes = SummaryBlock.encode(rows)
    func decoded(_ end: Int, _ count: Int) -> [SummaryRow]? {
      bytes.withUnsafeBytes { bytes in
        try? SummaryBlock.decode(UnsafeRawBufferPointer(rebasing: bytes[..<end]), count: count)
      }
    }
    #expect(decoded(bytes.count, rows.count) == rows)
    #expect(decoded(bytes.count, rows.count + 1) == nil)
    for end in stride(from: 0, to: bytes.count, by: 7) { #expect(decoded(end, rows.count) == nil) }
  }
}
