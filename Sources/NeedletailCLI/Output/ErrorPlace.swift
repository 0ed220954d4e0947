import NeedletailTerminal

/// Where in a query an error lies that a server tells.
struct ErrorPlace: Equatable {
  /// From 1.
  let line: Int
  /// From 1, in Unicode scalars.
  let column: Int

  /// The place that a message names, if it does: `3:14: parse error`.
  init?(in message: String) {
    guard let match = message.firstMatch(of: /\b([0-9]{1,6}):([0-9]{1,6}): parse error/), let line = Int(match.1),
      let column = Int(match.2), line > 0, column > 0
    else { return nil }
    (self.line, self.column) = (line, column)
  }

  /// How many columns of a screen stand before the place in its line.
  func offset(in query: String) -> Int {
    TerminalText(String(Self.line(line, of: query).prefix(column - 1))).width
  }

  /// The line of the query, and a caret below it; of a line that is too wide what is around the place.
  func pointer(into query: String, columns: Int) -> [String] {
    let text = Self.line(line, of: query)
    let room = max(20, columns - 4)
    let isCut = offset(in: query) > room - 10
    let hidden = isCut ? max(0, min(column - 1, text.count) - room / 2) : 0
    let lead = hidden > 0 ? "…" : ""
    let before = TerminalText(lead + String(text.dropFirst(hidden).prefix(column - 1 - hidden)))
    let shown = TerminalText(lead + String(text.dropFirst(hidden)), limit: room)
    return [shown.string, TerminalText(" ").repeated(before.width).string + "^"]
  }

  private static func line(_ number: Int, of query: String) -> Substring.UnicodeScalarView {
    let lines = query.unicodeScalars.split(separator: "\n", maxSplits: number, omittingEmptySubsequences: false)
    return lines.indices.contains(number - 1) ? lines[number - 1] : Substring("").unicodeScalars
  }
}
