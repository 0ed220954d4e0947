import NeedletailTerminal
import NeedletailTestSupport
import Testing

@testable import NeedletailDashboard

@Suite("Queries are written with completions")
struct QueryEditorTests {
  /// An editor whose questions are answered at once.
  private struct Desk {
    var editor = QueryEditor(history: ["up"])
    var asked: [CompletionQuestion] = []
    var metrics = ["node_cpu_seconds_total", "node_load1", "up"]

    mutating func press(_ key: InputEvent.Key, _ modifiers: InputEvent.Modifiers = []) -> QueryEditor.Outcome {
      let outcome = editor.handle(.key(key, modifiers))
      answer()
      return outcome
    }

    mutating func type(_ text: String) {
      for scalar in text.unicodeScalars { _ = press(.character(scalar)) }
    }

    private mutating func answer() {
      for question in editor.takeQuestions() {
        asked.append(question)
        switch question {
        case .metrics(let beginning): editor.take(metrics.filter { $0.hasPrefix(beginning) }, to: question)
        case .labelNames: editor.take(["instance", "job", "trace.id"], to: question)
        case .labelValues(_, _, let beginning, _):
          editor.take(["api", "cart", "it's"].filter { $0.hasPrefix(beginning) }, to: question)
        }
      }
    }

    func screen(_ columns: Int = 90) -> [String] {
      let (lines, cursor) = editor.render(prompt: "> ", columns: columns)
      return lines.map(\.string) + ["cursor \(cursor.row),\(cursor.column)"]
    }
  }

  @Test("what may stand at the cursor is shown below it, with what it takes and does")
  func list() throws {
    var desk = Desk()
    desk.type("sum by (job) (rate(node_cpu")
    let metric = desk.screen().joined(separator: "\n")
    desk.type("_seconds_total{")
    let labels = desk.screen().joined(separator: "\n")
    desk.type("job=\"")
    let values = desk.screen().joined(separator: "\n")
    desk.type("cart\"}[5")
    let durations = desk.screen().joined(separator: "\n")
    desk.type("m])) + histogram_q")
    try expectGolden(
      [metric, labels, values, durations, desk.screen().joined(separator: "\n")].joined(separator: "\n\n"),
      "completions")
  }

  @Test("Tab writes what all choices agree on, then goes through them; Enter takes one, and asks when none is chosen")
  func choosing() {
    var desk = Desk()
    desk.type("no")
    #expect(desk.press(.tab) == .changed && desk.editor.text == "node_")
    _ = desk.press(.tab)
    _ = desk.press(.tab)
    #expect(desk.screen()[2].hasPrefix("▸ node_load1"))
    #expect(desk.press(.enter) == .changed && desk.editor.text == "node_load1")
    desk.type("{")
    _ = desk.press(.down)
    _ = desk.press(.up)
    _ = desk.press(.enter)
    #expect(desk.editor.text == "node_load1{\"trace.id\"")
    desk.type("='i")
    _ = desk.press(.tab)
    #expect(desk.editor.text == "node_load1{\"trace.id\"='it\\'s'")
    desk.type("}")
    #expect(desk.press(.enter) == .submitted("node_load1{\"trace.id\"='it\\'s'}"))
    #expect(desk.editor.text.isEmpty && desk.editor.history.count == 2)
    _ = desk.press(.up)
    _ = desk.press(.up)
    #expect(desk.editor.text == "up")
  }

  @Test("nothing is shown unasked where nothing is written yet, and Escape hides the list until the next key")
  func dismissing() {
    var desk = Desk()
    #expect(desk.screen().count == 2 && desk.asked.isEmpty)
    _ = desk.press(.tab)
    #expect(desk.screen().count > 5)
    _ = desk.press(.escape)
    #expect(desk.screen().count == 2)
    desk.type("u")
    #expect(desk.screen().count > 2)
    _ = desk.press(.escape)
    #expect(desk.press(.character("c"), .control) == .cancelled)
    #expect(desk.press(.character("d"), .control) == .ended)
  }

  @Test("what is known of a shorter beginning is not asked again, unless there was too much of it")
  func questions() {
    var desk = Desk()
    desk.type("node")
    #expect(desk.asked == [.metrics(beginning: "n")])
    desk = Desk()
    desk.metrics = (0..<2000).map { "m\($0)" }
    desk.type("m12")
    #expect(desk.asked == [.metrics(beginning: "m"), .metrics(beginning: "m1"), .metrics(beginning: "m12")])
    #expect(desk.screen()[1].contains("m12 "))
  }

  @Test("no keys stop an editor, and no line is wider than the terminal", arguments: 1...10)
  func anyKeys(seed: UInt64) {
    var generator = TelemetryGenerator(seed: seed)
    var desk = Desk()
    let keys: [InputEvent.Key] = [
      .tab, .enter, .escape, .up, .down, .left, .right, .backspace, .home, .end, .character("("), .character("{"),
      .character("\""), .character("="), .character("n"), .character("s"), .character(" "), .character("é"),
      .character("["), .character("5"), .character(","), .character(")"), .character("}"),
    ]
    for _ in 0..<600 {
      _ = desk.press(generator.pick(keys), generator.oneIn(8) ? .shift : [])
      let columns = generator.int(3...60)
      let (lines, cursor) = desk.editor.render(prompt: "> ", columns: columns)
      #expect(lines.allSatisfy { $0.width <= columns }, "seed \(seed): \(desk.editor.text)")
      #expect(cursor.row < lines.count && cursor.column < columns, "seed \(seed): \(desk.editor.text)")
    }
  }
}
