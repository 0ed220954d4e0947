/// A text with a cursor in it, broken into lines of the terminal's width.
package struct WrappedLine: Sendable {
  /// The lines, each no wider than the terminal.
  package private(set) var lines: [StyledText] = []
  /// Where the cursor is in them.
  package private(set) var cursor = (row: 0, column: 0)

  private let columns: Int
  private var line = StyledText()

  /// Breaks what stands behind a prompt; `spans` are parts of the text with their looks, one behind the other, and the
  /// cursor stands before the part of this number.
  package init(prompt: StyledText, _ spans: [StyledText.Span], cursorBefore part: Int, columns: Int) {
    self.columns = max(2, columns)
    line = prompt.abbreviated(to: self.columns - 1)
    for (index, span) in spans.enumerated() {
      if index == part { mark() }
      append(span)
    }
    if part >= spans.count { mark() }
    lines.append(line)
  }

  private mutating func mark() {
    // A terminal keeps the cursor on the last column until something more is written.
    if line.width >= columns { breakLine() }
    cursor = (lines.count, line.width)
  }

  private mutating func append(_ span: StyledText.Span) {
    var rest = span.text
    while !rest.isEmpty {
      let fitting = rest.truncated(to: columns - line.width)
      if fitting.isEmpty {
        guard line.width > 0 else { return }
        breakLine()
        continue
      }
      line.append(fitting, span.style)
      rest = rest.dropping(fitting)
    }
  }

  private mutating func breakLine() {
    lines.append(line)
    line = StyledText()
  }
}
