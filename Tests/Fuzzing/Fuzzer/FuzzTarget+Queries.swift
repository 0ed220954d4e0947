@testable import NeedletailQueryEngine
@testable import NeedletailTelemetry

// What nodes ask each other to work out for a query, and what that comes to.

extension FuzzTarget {
  static let queries = [
    FuzzTarget(name: "reduction") { data, count in
      guard let reduction = read(data, count, { try SeriesReduction(decoding: &$0) }) else { return 0 }
      precondition(reduction.emptyFold != nil, "a reduction that is none")
      checkAgain(reduction.asked)
      return 0
    },
    FuzzTarget(name: "reduced-series") { data, count in
      let bytes = Array(fuzzBytes(data, count))
      // The first byte says what was asked for, and where one message ends.
      let steps = Steps(start: 0, end: 6000, interval: 1000)
      let operations = ["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"]
      let asked = AskedExpression(
        "\(operations[Int(bytes.first ?? 0) & 7])(m)", place: "", steps: steps, lookback: 1, usesStarts: false,
        rule: .notReset)
      guard let reduction = asked.flatMap({ SeriesReduction($0) }) else { return 0 }
      var reader = ReducedSeriesReader(reduction, cellsMax: 1000)
      let split = min(bytes.count, 1 + Int(bytes.first ?? 0) >> 3)
      _ = try? reader.read(Array(bytes.dropFirst().prefix(split)))
      _ = try? reader.read(Array(bytes.dropFirst(1 + split)))
      precondition(reader.cellCount <= 1000, "more groups than a query may hold")
      guard let result = reader.result, var sum = reduction.emptyFold else { return 0 }
      try? sum.add(result.fold)
      _ = try? sum.result(losingNames: false)
      return 0
    },
    FuzzTarget(name: "derivation") { data, count in
      guard let derivation = read(data, count, { try SeriesDerivation(decoding: &$0) }) else { return 0 }
      checkAgain(derivation.asked)
      return 0
    },
    FuzzTarget(name: "derived-series") { data, count in
      guard let derived = read(data, count, { try DerivedSeries(decoding: &$0) }) else { return 0 }
      var writer = ByteWriter()
      derived.encode(to: &writer)
      let again = writer.bytes.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        return try? DerivedSeries(decoding: &reader)
      }
      precondition(again?.remarks == derived.remarks && again?.samplesRead == derived.samplesRead, "it changed")
      return 0
    },
  ]
}

/// What is read of the bytes; nil where it cannot be.
private func read<Value>(
  _ data: UnsafePointer<UInt8>?, _ count: Int, _ body: (inout ByteReader) throws -> Value
) -> Value? {
  var reader = ByteReader(fuzzBytes(data, count))
  return try? body(&reader)
}

/// What was asked is read as it was written.
private func checkAgain(_ asked: AskedExpression) {
  var writer = ByteWriter()
  asked.encode(to: &writer)
  let again = writer.bytes.withUnsafeBytes { bytes in
    var reader = ByteReader(bytes)
    return try? AskedExpression(decoding: &reader)
  }
  precondition(again?.text == asked.text && again?.steps == asked.steps, "an expression changed")
  precondition(asked.steps.count <= AskedExpression.stepsMax, "too many steps")
}
