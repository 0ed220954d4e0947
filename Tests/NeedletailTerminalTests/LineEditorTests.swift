import NeedletailTerminal
import NeedletailTestSupport
import Testing

@Suite("Lines are edited")
struct LineEditorTests {
  private func key(_ text: Unicode.Scalar, _ modifiers: InputEvent.Modifiers = []) -> InputEvent {
    .key(.character(text), modifiers)
  }

  private func type(_ text: String, into editor: inout LineEditor) {
    for scalar in text.unicodeScalars { _ = editor.handle(key(scalar)) }
  }

  /// The text with a bar where the cursor is.
  private func shown(_ editor: LineEditor) -> String { editor.parts.before + "|" + editor.parts.behind }

  @Test("keys move and cut by characters and words, as in a shell")
  func keys() {
    var editor = LineEditor()
    type("sum(rate_x[5m])", into: &editor)
    let steps: [(InputEvent, String)] = [
      (.key(.left, .control), "sum(rate_x[|5m])"), (key("b", .alt), "sum(|rate_x[5m])"),
      (key("f", .alt), "sum(rate_x|[5m])"), (key("k", .control), "sum(rate_x|"),
      (key("y", .control), "sum(rate_x[5m])|"),
      (key("a", .control), "|sum(rate_x[5m])"), (key("d", .alt), "|(rate_x[5m])"), (.key(.end, []), "(rate_x[5m])|"),
      (.key(.backspace, []), "(rate_x[5m]|"), (.key(.home, []), "|(rate_x[5m]"), (.key(.delete, []), "|rate_x[5m]"),
      (.key(.right, []), "r|ate_x[5m]"), (key("e", .control), "rate_x[5m]|"), (.key(.backspace, .alt), "rate_x[|"),
      (key("w", .control), "|"),
    ]
    for (event, wanted) in steps {
      #expect(editor.handle(event) == .changed)
      #expect(shown(editor) == wanted)
    }
    #expect(editor.handle(key("d", .control)) == .ended)
  }

  @Test("a cursor stands between what look like characters, whatever they are made of")
  func clusters() {
    var editor = LineEditor()
    type("ae\u{301}ö漢", into: &editor)
    _ = editor.handle(.key(.left, []))
    #expect(editor.offset == "ae\u{301}ö".utf8.count)
    _ = editor.handle(.key(.backspace, []))
    _ = editor.handle(.key(.backspace, []))
    #expect(shown(editor) == "a|漢")
    editor.replace(1..<2, with: "xy")
    #expect(shown(editor) == "axy|")
  }

  @Test("up and down walk through earlier lines, and the new one is kept")
  func history() {
    var editor = LineEditor(history: ["one", "two"])
    type("new", into: &editor)
    var seen: [String] = []
    for event in [
      InputEvent.key(.up, []), .key(.up, []), .key(.up, []), .key(.down, []), .key(.down, []), .key(.down, []),
    ] {
      _ = editor.handle(event)
      seen.append(editor.text)
    }
    #expect(seen == ["two", "one", "one", "two", "new", "new"])
    editor.commit()
    editor.commit()
    type("new", into: &editor)
    editor.commit()
    #expect(editor.history == ["one", "two", "new"] && editor.text.isEmpty)
  }

  @Test("a paste of several lines is one line, and no text grows beyond its limit")
  func paste() {
    var editor = LineEditor()
    _ = editor.handle(.paste(TerminalText("a\nb\tc")))
    #expect(!editor.text.contains("\n") && editor.text.hasPrefix("a b"))
    for _ in 0..<3 { _ = editor.handle(.paste(TerminalText(String(repeating: "x", count: 10_000)))) }
    #expect(editor.text.count == LineEditor.charactersMax)
  }

  @Test("no event stops an editor, and its cursor is always a place of its text", arguments: 1...10)
  func anyEvents(seed: UInt64) {
    var generator = TelemetryGenerator(seed: seed)
    var editor = LineEditor(history: ["a", "bé"])
    let keys: [InputEvent.Key] = [
      .character("a"), .character("\u{301}"), .character("漢"), .character("k"), .character("w"), .character("y"),
      .character("u"), .character("b"), .character("f"), .character("d"), .enter, .escape, .tab, .backspace, .delete,
      .up,
      .down, .left, .right, .home, .end,
    ]
    for _ in 0..<2000 {
      let modifiers = generator.pick([InputEvent.Modifiers([]), .control, .alt, .shift])
      _ = editor.handle(.key(generator.pick(keys), modifiers))
      let (before, behind) = editor.parts
      #expect(before + behind == editor.text && before.utf8.count == editor.offset, "seed \(seed)")
    }
  }

  @Test("a long line is broken at the width, and the cursor is where its character is")
  func wrapping() {
    let text = TerminalText("0123456789漢字")
    for columns in 4...20 {
      for place in 0...2 {
        let spans = [StyledText.Span(text: text, style: .plain), StyledText.Span(text: "xyz", style: .bold)]
        let wrapped = WrappedLine(prompt: "> ", spans, cursorBefore: place, columns: columns)
        #expect(wrapped.lines.allSatisfy { $0.width <= columns }, "\(columns)")
        #expect(wrapped.lines.map(\.string).joined() == "> 0123456789漢字xyz")
        #expect(wrapped.cursor.row < wrapped.lines.count && wrapped.cursor.column < columns, "\(columns)")
        if place == 0, columns > 2 { #expect(wrapped.cursor == (0, 2)) }
      }
    }
  }

  @Test("lines are drawn over those before, and stay when they are done")
  func inline() {
    var screen = InlineScreen(depth: .plain)
    func text(_ bytes: [UInt8]) -> String {
      String(decoding: bytes, as: UTF8.self).replacing("\u{1B}", with: "^").replacing("\r\n", with: "/").replacing(
        "\r", with: "<")
    }
    #expect(text(screen.frame(["> a", "one", "two"], cursor: (0, 3))) == "^[?2026h<^[J> a/one/two<^[2A^[3C^[?2026l")
    #expect(text(screen.frame(["> ab", "c"], cursor: (1, 1))) == "^[?2026h<^[J> ab/c<^[1C^[?2026l")
    #expect(text(screen.finish(["> abc"])) == "<^[1A^[J> abc/")
    #expect(text(screen.frame(["> "], cursor: (0, 2))) == "^[?2026h<^[J> <^[2C^[?2026l")
  }
}
