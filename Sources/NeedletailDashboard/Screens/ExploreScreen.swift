import NeedletailTerminal

/// A query, what may stand at its cursor, and below it a graph and the last values of what it yields.
struct ExploreScreen {
  let explorer: Explorer
  let zone: TimeText.Zone

  private static let prompt = StyledText(" query> ", .heading)
  private static let seriesMax = 64

  func draw(into buffer: inout CellBuffer, in area: Rectangle) {
    let (lines, cursor) = explorer.editor.render(prompt: Self.prompt, columns: area.columns)
    let (top, rest) = area.splitTop(min(lines.count, area.rows))
    for (index, line) in lines.prefix(top.rows).enumerated() {
      buffer.draw(line, row: top.row + index, column: top.column, in: top)
    }
    // The terminal's own cursor is hidden while a view has the screen.
    if cursor.row < top.rows {
      let cell = Rectangle(column: top.column + cursor.column, row: top.row + cursor.row, columns: 1, rows: 1)
      buffer.restyle(cell) { $0.with(.reverse) }
    }
    if let problem = explorer.problem {
      buffer.draw(
        problem.abbreviated(to: rest.columns), row: rest.row, column: rest.column + 1, style: .error, in: rest)
    } else if let answer = explorer.answer {
      draw(answer, into: &buffer, in: rest)
    } else {
      let text: TerminalText =
        explorer.isAwaiting ? "asking ..." : "tab completes, enter asks, esc goes back: try up, or sum by (job) (up)"
      buffer.draw(text.abbreviated(to: rest.columns), row: rest.row, column: rest.column + 1, style: .faint, in: rest)
    }
  }

  private func draw(_ answer: Explorer.Answer, into buffer: inout CellBuffer, in area: Rectangle) {
    let drawn = answer.series.filter { !$0.points.isEmpty }
    guard !drawn.isEmpty, answer.end > answer.start else {
      let text: TerminalText =
        answer.series.isEmpty
        ? "nothing in this window"
        : "native histograms, of which there is no graph; ask for a number of them, as histogram_quantile(0.9, ...) is"
      buffer.draw(
        text.abbreviated(to: area.columns - 1), row: area.row, column: area.column + 1, style: .faint, in: area)
      return
    }
    let shown = drawn.prefix(Self.seriesMax)
    let (plot, legend) = area.splitTop(max(area.rows - shown.count - 1, area.rows * 3 / 5))
    let zone = zone
    let lines = shown.enumerated().map { index, result in
      LineGraph.Line(
        name: TerminalText(result.name, limit: 500), color: .ofSeries(index),
        points: result.points.map { LineGraph.Point($0.time, $0.value) })
    }
    if plot.rows >= 3 {
      LineGraph(
        lines: lines, range: answer.start...answer.end, gap: answer.step * 2.5,
        label: { TerminalText(TimeText.clock(seconds: $0, zone)) }
      ).draw(into: &buffer, in: plot.splitLeft(1).rest)
    }
    let isWhole = drawn.count == answer.series.count && drawn.count <= legend.rows
    let told = lines.prefix(max(0, legend.rows - (isWhole ? 0 : 1)))
    for (index, line) in told.enumerated() {
      var text = StyledText(" ■ ", Style(line.color))
      text.append(TerminalText(Quantity.text(shown[shown.startIndex + index].points.last?.value ?? .nan)), .bold)
      text.append("  " + line.name)
      buffer.draw(text.abbreviated(to: legend.columns), row: legend.row + index, column: legend.column, in: legend)
    }
    if !isWhole, legend.rows > 0 {
      buffer.draw(
        "   \(answer.series.count - told.count) more series", row: legend.row + told.count, column: legend.column,
        style: .faint, in: legend)
    }
  }
}
