import NeedletailTerminal

/// The keys.
enum HelpScreen {
  private static let keys: [(TerminalText, TerminalText)] = [
    ("↑ ↓  j k", "select the row above, below"),
    ("tab  ← →", "the next or previous panel"),
    ("page up, page down", "ten rows at once"),
    ("g  G", "the first, the last row"),
    ("enter", "a service: narrow to it; a trace or a log: open its trace"),
    ("esc", "back"),
    ("e  :", "write a query, with completions, and see its graph"),
    ("space", "pause and resume"),
    ("r", "ask again now"),
    ("?", "this help"),
    ("q  ctrl-c", "quit"),
  ]

  static func draw(into buffer: inout CellBuffer, in area: Rectangle) {
    buffer.draw("keys", row: area.row + 1, column: area.column + 2, style: .heading, in: area)
    for (index, key) in keys.enumerated() {
      let row = area.row + 3 + index
      buffer.draw(key.0, row: row, column: area.column + 2, style: .bold, in: area)
      buffer.draw(key.1, row: row, column: area.column + 24, in: area)
    }
    buffer.draw("any key closes this", row: area.row + 4 + keys.count, column: area.column + 2, style: .faint, in: area)
  }
}
