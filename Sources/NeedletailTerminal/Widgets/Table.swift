/// Rows and columns of text.
///
/// On a screen it scrolls to its selection; as lines it serves plain output.
package struct Table: Sendable {
  package struct Column: Sendable {
    package enum Alignment: Sendable { case left, right }
    package var title: TerminalText
    package var alignment: Alignment
    /// Gives up its width first when there is too little.
    package var isFlexible: Bool

    package init(_ title: TerminalText, _ alignment: Alignment = .left, flexible: Bool = false) {
      self.title = title
      self.alignment = alignment
      isFlexible = flexible
    }
  }

  package var columns: [Column]
  package var rows: [[StyledText]]
  /// The row that is shown as chosen.
  package var selection: Int?

  package init(columns: [Column], rows: [[StyledText]], selection: Int? = nil) {
    self.columns = columns
    self.rows = rows
    self.selection = selection
  }

  private static let gap = 2
  private static let least = 4

  /// Draws the header and as many rows as fit, scrolled so that the selection is among them.
  package func draw(into buffer: inout CellBuffer, in area: Rectangle) {
    guard !area.isEmpty else { return }
    let first = firstRow(visible: area.rows - 1)
    let shown = rows.dropFirst(first).prefix(max(0, area.rows - 1))
    let widths = widths(of: Array(shown), within: area.columns)
    buffer.draw(
      line(columns.map { StyledText($0.title, .heading) }, widths), row: area.row, column: area.column, in: area)
    for (index, row) in shown.enumerated() {
      let y = area.row + 1 + index
      buffer.draw(line(row, widths), row: y, column: area.column, in: area)
      if first + index == selection {
        let bar = Rectangle(column: area.column, row: y, columns: area.columns, rows: 1)
        buffer.restyle(bar) { $0.with(.reverse) }
      }
    }
  }

  /// The row of the table at a row of the screen, when ``draw`` drew it there.
  package func row(at screenRow: Int, in area: Rectangle) -> Int? {
    let index = firstRow(visible: area.rows - 1) + screenRow - area.row - 1
    return screenRow > area.row && screenRow < area.endRow && rows.indices.contains(index) ? index : nil
  }

  /// Header and rows as lines, not wider than `limit` columns; as wide as they are where there is no limit.
  package func lines(within limit: Int?) -> [StyledText] {
    let widths = widths(of: rows, within: limit ?? .max)
    return [line(columns.map { StyledText($0.title, .heading) }, widths)] + rows.map { line($0, widths) }
  }

  private func firstRow(visible: Int) -> Int {
    guard visible > 0, let selection, selection >= visible else { return 0 }
    return min(selection - visible + 1, max(0, rows.count - visible))
  }

  private func widths(of rows: [[StyledText]], within limit: Int) -> [Int] {
    var widths = columns.indices.map { index in
      rows.reduce(columns[index].title.width) { max($0, $1.indices.contains(index) ? $1[index].width : 0) }
    }
    var excess = widths.reduce(0, +) + Self.gap * max(0, columns.count - 1) - limit
    for flexible in [true, false] where excess > 0 {
      for index in columns.indices.reversed() where columns[index].isFlexible == flexible && excess > 0 {
        let taken = min(excess, max(0, widths[index] - Self.least))
        widths[index] -= taken
        excess -= taken
      }
    }
    return widths
  }

  private func line(_ cells: [StyledText], _ widths: [Int]) -> StyledText {
    var result = StyledText()
    for index in columns.indices {
      let cell = (cells.indices.contains(index) ? cells[index] : StyledText()).abbreviated(to: widths[index])
      let pad = TerminalText(" ").repeated(widths[index] - cell.width)
      if columns[index].alignment == .right { result.append(pad) }
      result.append(cell)
      guard index < columns.count - 1 else { break }
      if columns[index].alignment == .left { result.append(pad) }
      result.append(TerminalText(" ").repeated(Self.gap))
    }
    return result
  }
}
