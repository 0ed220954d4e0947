import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Runs of samples")
struct SampleRunTests {
  @Test("values come back to the bit", arguments: 1...40)
  func values(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 9_000_000)
    let constant = generator.valueBits()
    let style = generator.int(0...3)
    let values = (0..<generator.int(1...300)).map { _ in
      switch style {
      case 0: Double(bitPattern: constant)
      case 1: Double(generator.int(-1000...1000))
      default: Double(bitPattern: generator.valueBits())
      }
    }
    var bytes: [UInt8] = []
    var scratch: [UInt8] = []
    values.withUnsafeBufferPointer { SampleRun.encode($0, times: 300, scratch: &scratch, to: &bytes) }
    try bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      let header = try SampleRun.header(&reader, mayHaveStarts: true)
      #expect(header.times == 300)
      #expect(reader.isAtEnd)
      let column = UnsafeRawBufferPointer(rebasing: bytes[header.values])
      var decoded: [Double] = []
      try SampleRun.decode(column, count: values.count, into: &decoded)
      #expect(decoded.map(\.bitPattern) == values.map(\.bitPattern))
      var other: [Double] = []
      #expect(throws: MalformedBytes.self) { try SampleRun.decode(column, count: values.count + 1, into: &other) }
    }
  }

  @Test("a count is divided into even runs")
  func evenRuns() {
    #expect(SampleRun.runs(0) == 0)
    #expect(SampleRun.runs(1) == 1)
    #expect(SampleRun.runs(SampleRun.countMax) == 1)
    #expect(SampleRun.runs(SampleRun.countMax + 1) == 2)
  }
}
