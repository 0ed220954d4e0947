import NeedletailEnvironment
import NeedletailTerminal
import Testing

@Suite("What is sent to a terminal")
struct TerminalWriterTests {
  /// Removes the escapes that the writer is allowed to make; nil when any other control is left.
  private func withoutAllowedEscapes(_ bytes: [UInt8]) -> String? {
    var rest = bytes[...]
    var text: [UInt8] = []
    while let byte = rest.popFirst() {
      guard byte == 0x1B else {
        text.append(byte)
        continue
      }
      guard rest.popFirst() == UInt8(ascii: "[") else { return nil }
      let parameters = rest.prefix { (0x30...0x3F).contains($0) }
      rest = rest.dropFirst(parameters.count)
      guard let final = rest.popFirst() else { return nil }
      let body = String(decoding: parameters, as: UTF8.self)
      switch Character(Unicode.Scalar(final)) {
      case "m", "H": guard body.allSatisfy({ $0.isNumber || $0 == ";" }) else { return nil }
      case "J": guard body == "2" else { return nil }
      case "h", "l": guard body == "?2026" else { return nil }
      default: return nil
      }
    }
    guard text.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
    let decoded = String(decoding: text, as: UTF8.self)
    return decoded.unicodeScalars.contains { $0.properties.generalCategory == .control } ? nil : decoded
  }

  @Test("no byte outside of the allow-list leaves, whatever text goes in", arguments: 0..<60 as Range<UInt64>)
  func onlyAllowedBytes(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var writer = TerminalWriter(depth: [.plain, .monochrome, .sixteen, .palette, .truecolor][Int(seed % 5)])
    for _ in 0..<5 {
      var buffer = CellBuffer(
        Size(columns: Int.random(in: 0...40, using: &generator), rows: Int.random(in: 0...8, using: &generator)))
      for _ in 0..<10 {
        let text = TerminalText(utf8: generator.hostileBytes(upTo: 60))
        buffer.draw(
          text, row: Int.random(in: 0...8, using: &generator), column: Int.random(in: -5...40, using: &generator),
          style: Style(.ofSeries(Int.random(in: 0...9, using: &generator)), on: .theme(200), .bold), in: buffer.bounds)
      }
      let bytes = writer.frame(buffer)
      #expect(withoutAllowedEscapes(bytes) != nil, "seed \(seed): \(bytes)")
      let lines = TerminalWriter.lines(buffer, depth: .truecolor).split(separator: "\n")
      #expect(lines.allSatisfy { withoutAllowedEscapes(Array($0.utf8)) != nil }, "seed \(seed)")
    }
  }

  @Test("nothing is sent when nothing changed, and only what changed otherwise")
  func differences() {
    var writer = TerminalWriter(depth: .plain)
    var buffer = CellBuffer(Size(columns: 20, rows: 3))
    buffer.draw("hello", row: 1, column: 2, in: buffer.bounds)
    #expect(!writer.frame(buffer).isEmpty)
    #expect(writer.frame(buffer).isEmpty)
    buffer.draw("E", row: 1, column: 3, in: buffer.bounds)
    #expect(String(decoding: writer.frame(buffer), as: UTF8.self) == "\u{1B}[?2026h\u{1B}[2;4HE\u{1B}[?2026l")
  }

  @Test("a screen that is drawn in differences ends as one that is drawn whole", arguments: 0..<40 as Range<UInt64>)
  func replay(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let size = Size(columns: 12, rows: 3)
    var writer = TerminalWriter(depth: .plain)
    var screen = CellBuffer(size)
    for _ in 0..<8 {
      var next = CellBuffer(size)
      let words: [TerminalText] = ["漢字", "ab", "é", "…", "🚀x"]
      for _ in 0..<6 {
        next.draw(
          words[Int.random(in: 0..<5, using: &generator)], row: Int.random(in: 0..<3, using: &generator),
          column: Int.random(in: 0..<12, using: &generator), in: next.bounds)
      }
      apply(writer.frame(next), to: &screen)
      #expect(screen == next, "seed \(seed)")
    }
  }

  /// A terminal of the simplest kind: positions, clearing and text.
  private func apply(_ bytes: [UInt8], to screen: inout CellBuffer) {
    var cursor = (row: 0, column: 0)
    for part in String(decoding: bytes, as: UTF8.self).split(separator: "\u{1B}[") {
      let parameters = part.prefix { "0123456789;?".contains($0) }
      let final = part.dropFirst(parameters.count).first
      if final == "J" { screen.fill(screen.bounds) }
      if final == "H" {
        let numbers = parameters.split(separator: ";").compactMap { Int($0) }
        cursor = (numbers[0] - 1, numbers[1] - 1)
      }
      let text = TerminalText(String(part.dropFirst(parameters.count + 1)))
      cursor.column = screen.draw(text, row: cursor.row, column: cursor.column, in: screen.bounds)
    }
  }

  @Test("colours fall back to what the terminal has")
  func colours() {
    let text = StyledText("x", Style(.rgb(255, 0, 0), .bold))
    #expect(TerminalWriter.line(text, depth: .plain) == "x")
    #expect(TerminalWriter.line(text, depth: .monochrome) == "\u{1B}[0;1mx\u{1B}[0m")
    #expect(TerminalWriter.line(text, depth: .sixteen) == "\u{1B}[0;1;91mx\u{1B}[0m")
    #expect(TerminalWriter.line(text, depth: .palette) == "\u{1B}[0;1;38;5;196mx\u{1B}[0m")
    #expect(TerminalWriter.line(text, depth: .truecolor) == "\u{1B}[0;1;38;2;255;0;0mx\u{1B}[0m")
  }

  @Test("the environment decides on colours, NO_COLOR above all")
  func detection() {
    let full = ["TERM": "xterm-256color", "COLORTERM": "truecolor"]
    #expect(ColorDepth.detect(environment: full, isTerminal: true) == .truecolor)
    #expect(ColorDepth.detect(environment: full, isTerminal: false) == .plain)
    #expect(ColorDepth.detect(environment: full.merging(["NO_COLOR": "1"]) { $1 }, isTerminal: true) == .monochrome)
    #expect(ColorDepth.detect(environment: ["TERM": "xterm-256color"], isTerminal: true) == .palette)
    #expect(ColorDepth.detect(environment: ["TERM": "linux"], isTerminal: true) == .sixteen)
    #expect(ColorDepth.detect(environment: ["TERM": "dumb"], isTerminal: true) == .plain)
  }
}
