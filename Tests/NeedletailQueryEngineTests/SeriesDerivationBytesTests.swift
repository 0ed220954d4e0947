import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine

@Suite("Derivations, and what there is to know of what they make, have a byte form that is checked")
struct SeriesDerivationBytesTests {
  private static func derivation(_ text: String) -> SeriesDerivation? {
    let asked = AskedExpression(
      text, place: "(1:5)", steps: Steps(start: 1000, end: 4000, interval: 500), lookback: 300_000, usesStarts: true,
      rule: .both)
    return asked.flatMap { SeriesDerivation($0) }
  }

  private static func decoded<Value>(
    _ bytes: [UInt8], _ read: (inout ByteReader) throws(MalformedBytes) -> Value
  ) throws -> Value {
    try bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      let value = try read(&reader)
      try reader.expectEnd()
      return value
    }
  }

  private static func bytes(_ derivation: SeriesDerivation) -> [UInt8] {
    var writer = ByteWriter()
    derivation.encode(to: &writer)
    return writer.bytes
  }

  @Test(
    "a derivation is read as it was written",
    arguments: ["m", "rate(m[5m])", "quantile_over_time(-0.5, {a=~\"b.*\"}[5m] @ 12.000 offset 5s)", "m @ 7.000"])
  func derivations(text: String) throws {
    let derivation = try #require(Self.derivation(text))
    let again = try Self.decoded(Self.bytes(derivation)) { reader throws(MalformedBytes) in
      try SeriesDerivation(decoding: &reader)
    }
    #expect(again.asked.text == text && again.asked.steps == derivation.asked.steps && again.stepCount == 7)
    #expect(again.asked.lookback == 300_000 && again.asked.usesStarts && again.asked.rule == .both)
  }

  @Test(
    "what is not made of each series by itself is no derivation",
    arguments: [
      "sum(m)", "rate(", "1", "m + 1", "-m", "m[5m]", "rate(m[5m:1m])", "m @ start()", "rate(m[step()])",
      "m{a=\"1\" or b=\"2\"}", "quantile_over_time(scalar(x), m[5m])", "m smoothed", "count_over_time(logs{} [5m])",
      "abs(m)", "rollup_rate(m[5m])", "time()", "timestamp(m)", "\"text\"", "absent(m)",
    ])
  func refused(text: String) { #expect(Self.derivation(text) == nil) }

  @Test("bytes that were cut or mutated are read or refused, and never more", arguments: 1...40)
  func mutated(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var kernel = RangeKernel(function: .rate)
    kernel.warn("a warning")
    kernel.warn("another warning", .none)
    let derived = DerivedSeries(0, samplesRead: 70_000, remarks: kernel.takeRemarks(), sawNumbers: true)
    var writer = ByteWriter()
    derived.encode(to: &writer)
    let again = try Self.decoded(writer.bytes) { reader throws(MalformedBytes) in
      try DerivedSeries(decoding: &reader)
    }
    #expect(again.remarks == derived.remarks && again.samplesRead == 70_000 && again.sawNumbers)
    let asked = Self.bytes(try #require(Self.derivation("rate(m{b!~\"x.*\"}[1m] offset 5s)")))
    for original in [asked, writer.bytes] {
      for _ in 0..<200 {
        var bytes = original
        if generator.oneIn(3) { bytes.removeLast(generator.int(0...bytes.count)) }
        for _ in 0..<generator.int(1...4) where !bytes.isEmpty {
          bytes[generator.int(0...bytes.count - 1)] = UInt8(truncatingIfNeeded: generator.random.next())
        }
        let derivation = try? Self.decoded(bytes) { reader throws(MalformedBytes) in
          try SeriesDerivation(decoding: &reader)
        }
        if let derivation { #expect(derivation.stepCount <= AskedExpression.stepsMax) }
        let derived = try? Self.decoded(bytes) { reader throws(MalformedBytes) in
          try DerivedSeries(decoding: &reader)
        }
        if let derived { #expect(derived.samplesRead <= 1 << 32 && derived.remarks.count <= 16) }
      }
    }
  }
}
