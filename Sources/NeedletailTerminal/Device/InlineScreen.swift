/// Some lines at the end of what a terminal shows, drawn over again and again, and left there in the end: what a prompt
/// needs, which leaves everything above it alone.
package struct InlineScreen: Sendable {
  private let depth: ColorDepth
  /// In which of its lines the cursor was left.
  private var row = 0

  package init(depth: ColorDepth) {
    self.depth = depth
  }

  /// The bytes that show these lines, none wider than the terminal, in place of those before, with the cursor at a
  /// place of them.
  package mutating func frame(_ lines: [StyledText], cursor: (row: Int, column: Int)) -> [UInt8] {
    var out = "\u{1B}[?2026h" + start + "\u{1B}[J"
    out += lines.map { TerminalWriter.line($0, depth: depth) }.joined(separator: "\r\n")
    let up = max(0, lines.count - 1 - cursor.row)
    out += "\r" + (up > 0 ? "\u{1B}[\(up)A" : "") + (cursor.column > 0 ? "\u{1B}[\(cursor.column)C" : "")
    row = max(0, cursor.row)
    return Array((out + "\u{1B}[?2026l").utf8)
  }

  /// The bytes that show these lines for good, and go to the line below them.
  package mutating func finish(_ lines: [StyledText]) -> [UInt8] {
    let out = start + "\u{1B}[J" + lines.map { TerminalWriter.line($0, depth: depth) + "\r\n" }.joined()
    row = 0
    return Array(out.utf8)
  }

  /// Back to the first of the lines.
  private var start: String { "\r" + (row > 0 ? "\u{1B}[\(row)A" : "") }
}
