import NeedletailEnvironment
import NeedletailTerminal
import Testing

@Suite("What a person types")
struct InputParserTests {
  private func events(_ text: String) -> [InputEvent] {
    var parser = InputParser()
    return parser.feed(text.utf8) + parser.flush()
  }

  @Test("becomes keys with their modifiers")
  func keys() {
    #expect(events("a") == [.key(.character("a"), [])])
    #expect(events("é漢") == [.key(.character("é"), []), .key(.character("漢"), [])])
    #expect(events("\u{03}") == [.key(.character("c"), .control)])
    #expect(events("\r\t\u{7F}") == [.key(.enter, []), .key(.tab, []), .key(.backspace, [])])
    #expect(events("\u{1B}[A\u{1B}OB") == [.key(.up, []), .key(.down, [])])
    #expect(events("\u{1B}[1;5C") == [.key(.right, .control)])
    #expect(
      events("\u{1B}[5~\u{1B}[15~\u{1B}OP") == [.key(.pageUp, []), .key(.function(5), []), .key(.function(1), [])])
    #expect(events("\u{1B}x") == [.key(.character("x"), .alt)])
    #expect(events("\u{1B}[Z") == [.key(.tab, .shift)])
  }

  @Test("an escape that stands alone is the escape key")
  func escape() {
    #expect(events("\u{1B}") == [.key(.escape, [])])
    #expect(events("\u{1B}\u{1B}") == [.key(.escape, []), .key(.escape, [])])
  }

  @Test("becomes mouse actions with positions from zero")
  func mouse() {
    #expect(events("\u{1B}[<0;3;2M") == [.mouse(.press, column: 2, row: 1)])
    #expect(events("\u{1B}[<65;1;1M") == [.mouse(.scrollDown, column: 0, row: 0)])
    #expect(events("\u{1B}[<0;99999999;1M").isEmpty)
  }

  @Test("a paste is one event and never keys")
  func paste() {
    #expect(
      events("\u{1B}[200~q\u{1B}[A\r\u{1B}[201~x") == [.paste(TerminalText("q\u{1B}[A\r")), .key(.character("x"), [])])
    let long = String(repeating: "q", count: 100_000)
    guard case .paste(let text)? = events("\u{1B}[200~" + long + "\u{1B}[201~").first else {
      Issue.record("no paste")
      return
    }
    #expect(text.width == InputParser.maximumPaste)
  }

  @Test("replies of a terminal that nobody typed disappear whole")
  func replies() {
    #expect(
      events("\u{1B}[?62;22c\u{1B}]11;rgb:0000/0000/0000\u{1B}\\\u{1B}]0;q\u{07}\u{1B}P1$r0m\u{1B}\\z") == [
        .key(.character("z"), [])
      ])
  }

  @Test(
    "any bytes, cut anywhere, give the same events and keep no more than a bound", arguments: 0..<40 as Range<UInt64>)
  func hostile(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let bytes = generator.hostileBytes(upTo: 500)
    var whole = InputParser()
    var pieces = InputParser()
    let expected = whole.feed(bytes)
    let cut = Int.random(in: 0...bytes.count, using: &generator)
    #expect(pieces.feed(bytes[..<cut]) + pieces.feed(bytes[cut...]) == expected, "seed \(seed)")
  }
}
