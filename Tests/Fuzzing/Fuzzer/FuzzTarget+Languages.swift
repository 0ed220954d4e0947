import NeedletailQueryLanguage
import NeedletailTelemetry
import NeedletailTerminal

// What people type, and what their terminals send.

extension FuzzTarget {
  static let languages = [
    FuzzTarget(name: "promql") { data, count in
      checkPrinting(String(decoding: fuzzBytes(data, count), as: UTF8.self), .promQL)
      return 0
    },
    FuzzTarget(name: "logql") { data, count in
      checkPrinting(String(decoding: fuzzBytes(data, count), as: UTF8.self), .logQL)
      return 0
    },
    FuzzTarget(name: "regular-expression") { data, count in
      let bytes = fuzzBytes(data, count)
      let split = bytes.firstIndex(of: 0) ?? bytes.count
      let pattern = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[..<split]), as: UTF8.self)
      guard let expression = try? RegularExpression(pattern) else { return 0 }
      _ = expression.matchesWhole(UnsafeRawBufferPointer(rebasing: bytes[split...]))
      return 0
    },
    FuzzTarget(name: "terminal-input") { data, count in
      var parser = InputParser()
      _ = parser.feed(fuzzBytes(data, count))
      _ = parser.flush()
      return 0
    },
    FuzzTarget(name: "terminal-text") { data, count in
      let text = TerminalText(String(decoding: fuzzBytes(data, count), as: UTF8.self))
      for scalar in text.string.unicodeScalars {
        precondition(scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value), "a control character came through")
      }
      return 0
    },
  ]
}

/// What parses is printed as something that parses to the same.
private func checkPrinting(_ text: String, _ dialect: Parser.Dialect) {
  guard let expression = try? Parser.parse(text, dialect: dialect) else { return }
  let printed = Printer.print(expression)
  guard printed.utf8.count <= Parser.textLengthMax else { return }
  // Logs stand behind their own name in print, whatever language they were asked in.
  guard let again = try? Parser.parse(printed) else {
    preconditionFailure("what was printed does not parse: \(printed)")
  }
  precondition(Printer.print(again) == printed, "printing twice gives two texts: \(printed)")
}
