import NeedletailTerminal

/// One trace: its waterfall, the chosen span, and the logs that were written in it.
struct TraceScreen {
  let open: DashboardModel.OpenTrace
  let zone: TimeText.Zone

  func draw(into buffer: inout CellBuffer, in area: Rectangle) {
    let tree = open.trace.tree
    let (head, body) = area.splitTop(1)
    var title = StyledText(TerminalText("trace \(open.trace.id)", limit: 60), .bold)
    title.append(
      TerminalText(
        "  \(TimeText.clock(nanoseconds: open.trace.start, zone))"
          + "  \(Quantity.duration(seconds: Double(open.trace.duration) / 1e9))  \(open.trace.spanCount)"), .faint)
    if open.trace.isError { title.append("  error", .error) }
    buffer.draw(title.abbreviated(to: head.columns), row: head.row, column: head.column + 1, in: head)

    let (spans, rest) = body.splitTop(min(tree.count + 1, max(3, body.rows / 2)))
    open.trace.waterfall(selection: open.selection).draw(into: &buffer, in: spans.splitLeft(1).rest)
    let (details, logs) = rest.splitTop(max(2, rest.rows / 3))
    if tree.indices.contains(open.selection) {
      draw(tree[open.selection].span, into: &buffer, in: details)
    }
    drawLogs(into: &buffer, in: logs)
  }

  private func draw(_ span: TraceSpan, into buffer: inout CellBuffer, in area: Rectangle) {
    var lines = [StyledText(TerminalText("span \(span.service) \(span.name)", limit: 200), .heading)]
    if !span.message.isEmpty { lines.append(StyledText(TerminalText(span.message, limit: 400), .error)) }
    lines += span.attributes.prefix(40).map { name, value in
      var line = StyledText(TerminalText(name, limit: 100) + " ", .faint)
      line.append(TerminalText(value, limit: 400))
      return line
    }
    for (index, line) in lines.prefix(area.rows).enumerated() {
      buffer.draw(line.abbreviated(to: area.columns - 1), row: area.row + index, column: area.column + 1, in: area)
    }
  }

  private func drawLogs(into buffer: inout CellBuffer, in area: Rectangle) {
    let (head, rest) = area.splitTop(1)
    let title = TerminalText("logs of this trace (\(open.logs.count))")
    buffer.draw(title, row: head.row, column: head.column + 1, style: .heading, in: head)
    let entries = open.logs.sorted { $0.time < $1.time }.prefix(rest.rows).map { $0.entry(zone) }
    LogList(entries: Array(entries)).draw(into: &buffer, in: rest.splitLeft(1).rest)
  }
}
