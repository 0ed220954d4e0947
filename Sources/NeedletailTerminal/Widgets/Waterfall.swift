/// The spans of a trace: a tree of names at the left, a bar on the trace's time axis at the right.
package struct Waterfall: Sendable {
  package struct Row: Sendable {
    /// Steps from the root.
    package var depth: Int
    package var service: TerminalText
    package var name: TerminalText
    /// Nanoseconds from the start of the trace, and how long it took.
    package var start: Int64
    package var duration: Int64
    package var isError: Bool
    package var color: Color

    package init(
      depth: Int, service: TerminalText, name: TerminalText, start: Int64, duration: Int64, isError: Bool, color: Color
    ) {
      self.depth = depth
      self.service = service
      self.name = name
      self.start = start
      self.duration = duration
      self.isError = isError
      self.color = color
    }
  }

  package var rows: [Row]
  /// Nanoseconds that the axis spans.
  package var duration: Int64
  package var selection: Int?
  /// Whether names are abbreviated so that two fifths of the columns hold them.
  package var cutsNames = true

  package init(rows: [Row], duration: Int64, selection: Int? = nil) {
    self.rows = rows
    self.duration = duration
    self.selection = selection
  }

  /// Columns of the widest name with what stands before it.
  package var nameColumns: Int { rows.map { label($0).width }.max() ?? 0 }

  private static let deepest = 12
  private static let timeColumns = 9

  package func draw(into buffer: inout CellBuffer, in area: Rectangle) {
    guard !area.isEmpty else { return }
    let most = cutsNames ? max(area.columns * 2 / 5, 12) : area.columns
    let (names, rest) = area.splitLeft(min(nameColumns, most))
    let plot = rest.splitLeft(2).rest
    let (bars, times) = plot.splitLeft(max(plot.columns / 2, plot.columns - Self.timeColumns))
    let first = selection.map { max(0, min($0 - area.rows / 2, rows.count - area.rows)) } ?? 0
    for (index, row) in rows.dropFirst(first).prefix(area.rows).enumerated() {
      let y = area.row + index
      buffer.draw(label(row).abbreviated(to: names.columns), row: y, column: names.column, in: names)
      draw(row, y, into: &buffer, in: bars)
      let took = TerminalText(Quantity.duration(seconds: Double(row.duration) / 1e9))
      buffer.draw(took, row: y, column: times.endColumn - took.width, style: .faint, in: times)
      if first + index == selection {
        buffer.restyle(Rectangle(column: names.column, row: y, columns: names.columns, rows: 1)) { $0.with(.reverse) }
      }
    }
  }

  private func label(_ row: Row) -> StyledText {
    var text = StyledText()
    text.append(TerminalText("  ").repeated(min(Self.deepest, row.depth)))
    text.append(row.isError ? "✗ " : "  ", .error)
    text.append(row.service, Style(row.color, .bold))
    text.append(" " + row.name, row.isError ? .error : .plain)
    return text
  }

  private func draw(_ row: Row, _ y: Int, into buffer: inout CellBuffer, in area: Rectangle) {
    guard area.columns > 0 else { return }
    let scale = Double(area.columns) / Double(max(1, duration))
    let start = min(area.columns - 1, max(0, Int(min(1e6, max(0, Double(row.start) * scale)))))
    let columns = area.columns - start
    let fraction = min(1, Double(row.duration) * scale / Double(columns))
    let bar = Bar.text(fraction: max(fraction, 1 / Double(columns * 8)), columns: columns)
    buffer.draw(bar, row: y, column: area.column + start, style: Style(row.isError ? .red : row.color), in: area)
  }
}
