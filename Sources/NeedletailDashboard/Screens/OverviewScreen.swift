import NeedletailTerminal

extension DashboardModel {
  /// Draws the whole screen, whatever its size.
  package func render(_ size: Size) -> CellBuffer {
    var buffer = CellBuffer(size)
    let (title, below) = buffer.bounds.splitTop(1)
    let (body, footer) = below.splitTop(below.rows - 1)
    drawTitle(into: &buffer, in: title)
    if showsHelp {
      HelpScreen.draw(into: &buffer, in: body)
    } else if showsExplorer {
      ExploreScreen(explorer: explorer, zone: zone).draw(into: &buffer, in: body)
    } else if let openTrace {
      TraceScreen(open: openTrace, zone: zone).draw(into: &buffer, in: body)
    } else if let overview {
      draw(overview, into: &buffer, in: body)
    } else {
      buffer.draw("asking ...", row: body.row, column: body.column + 1, style: .faint, in: body)
    }
    drawFooter(into: &buffer, in: footer)
    return buffer
  }

  private func drawTitle(into buffer: inout CellBuffer, in area: Rectangle) {
    let style = Style(.cyan, [.bold, .reverse])
    buffer.fill(area, style: style)
    var column = buffer.draw(" needletail  " + server, row: area.row, column: 0, style: style, in: area)
    if let service {
      column = buffer.draw(
        "  service " + TerminalText(service, limit: 60), row: area.row, column: column, style: style, in: area)
    }
    if isPaused { column = buffer.draw("  PAUSED", row: area.row, column: column, style: style, in: area) }
    if let coverage {
      column = buffer.draw(
        "  " + TerminalText(coverage.text, limit: 100), row: area.row, column: column, style: style, in: area)
    }
    guard let overview else { return }
    let room = area.endColumn - column - 12
    if let window = coverage?.window(zone).map({ TerminalText("  " + $0, limit: 100) }), window.width <= room {
      column = buffer.draw(window, row: area.row, column: column, style: style, in: area)
    }
    let time = TerminalText(TimeText.clock(seconds: overview.end, zone) + " ")
    if column + 1 < area.endColumn - time.width {
      buffer.draw(time, row: area.row, column: area.endColumn - time.width, style: style, in: area)
    }
  }

  private func drawFooter(into buffer: inout CellBuffer, in area: Rectangle) {
    let lack: TerminalText? =
      coverage?.isPartial == true
      ? "incomplete: not all that is stored could be read; `needletail cluster status`" : nil
    let problem = notice ?? overview?.problems.first.map { TerminalText($0, limit: 300) } ?? lack
    if let problem {
      buffer.draw(problem.abbreviated(to: area.columns), row: area.row, column: 0, style: .warning, in: area)
      return
    }
    let keys: TerminalText =
      if showsExplorer {
        " tab complete  enter ask  ↑↓ earlier queries  ctrl-u clear  esc back"
      } else if openTrace == nil {
        " q quit  tab panel  ↑↓ select  enter open  e query  space pause  ? help"
      } else {
        " q quit  ↑↓ span  esc back  e query  ? help"
      }
    buffer.draw(keys.abbreviated(to: area.columns), row: area.row, column: 0, style: .faint, in: area)
  }

  private func draw(_ overview: Overview, into buffer: inout CellBuffer, in area: Rectangle) {
    let wanted = max(3, overview.services.count + 2)
    let (top, rest) = area.splitTop(min(wanted, max(3, area.rows / 3)))
    drawServices(overview, into: &buffer, in: top)
    let (graphs, lists) = rest.splitTop(rest.rows * 2 / 5)
    let (left, right) = graphs.splitLeft(graphs.columns / 2)
    let name = service.map { TerminalText($0, limit: 60) }
    drawGraph(
      name.map { "requests of " + $0 } ?? "requests by service", overview, \.rate, .perSecond, into: &buffer, in: left)
    drawGraph(
      name.map { "p95 latency of " + $0 } ?? "p95 latency", overview, \.latency, .seconds, into: &buffer, in: right)
    let (traces, logs) = lists.splitTop(lists.rows / 2)
    drawTraces(overview, into: &buffer, in: traces)
    drawLogs(into: &buffer, in: logs)
  }

  /// A heading; returns what is left below it.
  private func heading(
    _ text: TerminalText, _ panel: Panel?, into buffer: inout CellBuffer, in area: Rectangle
  ) -> Rectangle {
    let (line, rest) = area.splitTop(1)
    let isFocused = panel == self.panel
    let title = (isFocused ? "▶ " : "  ") + text + " "
    let end = buffer.draw(
      title, row: line.row, column: line.column, style: isFocused ? .heading : .bold, in: line)
    let rule = TerminalText("─").repeated(line.endColumn - end)
    buffer.draw(rule, row: line.row, column: end, style: .faint, in: line)
    return rest
  }

  private func drawServices(_ overview: Overview, into buffer: inout CellBuffer, in area: Rectangle) {
    let title: TerminalText =
      overview.basis == .spans
      ? "services, as their spans tell: no \(RequestQuestions.metric) here" : "services"
    let rest = heading(title, .services, into: &buffer, in: area)
    guard !overview.services.isEmpty else {
      for (index, line) in nothing(overview).enumerated() where index < rest.rows {
        buffer.draw(line, row: rest.row + index, column: rest.column + 2, style: .faint, in: rest)
      }
      return
    }
    let rows = overview.services.enumerated().map { index, service -> [StyledText] in
      let failed: Style = service.errors >= 0.05 ? .error : service.errors > 0 ? .warning : .plain
      return [
        StyledText(TerminalText(service.name, limit: 60), Style(.ofSeries(index), .bold)),
        StyledText(TerminalText(Quantity.text(service.rateNow, .perSecond))),
        StyledText(TerminalText(Quantity.text(service.errors * 100, .percent)), failed),
        StyledText(TerminalText(Quantity.text(service.p50, .seconds))),
        StyledText(TerminalText(Quantity.text(service.p95, .seconds))),
        StyledText(TerminalText(Quantity.text(service.p99, .seconds))),
        StyledText(Sparkline(service.rate.map(\.value)).text(columns: 24), Style(.ofSeries(index))),
      ]
    }
    Table(
      columns: [
        .init("SERVICE"), .init("RATE", .right), .init("ERRORS", .right), .init("P50", .right), .init("P95", .right),
        .init("P99", .right), .init("REQUESTS", flexible: true),
      ], rows: rows, selection: panel == .services ? selection[.services] ?? 0 : nil
    ).draw(into: &buffer, in: rest.splitLeft(2).rest)
  }

  /// What stands in the place of services where there are none.
  private func nothing(_ overview: Overview) -> [TerminalText] {
    guard overview.problems.isEmpty else { return ["unknown: they could not be asked for, see the last line"] }
    return [
      "none: no \(RequestQuestions.metric), and no spans of kind server or consumer in this window",
      "point an OpenTelemetry SDK at the OTLP port; `needletail labels` lists what metrics there are",
    ]
  }

  private func drawGraph(
    _ title: TerminalText, _ overview: Overview, _ values: KeyPath<ServiceSummary, [SeriesResult.Point]>,
    _ unit: Quantity.Unit, into buffer: inout CellBuffer, in area: Rectangle
  ) {
    let rest = heading(title, nil, into: &buffer, in: area)
    guard rest.rows >= 3, overview.end > overview.start else { return }
    let zone = zone
    let shown = overview.services.enumerated().filter { service == nil || $1.name == service }
    let lines = shown.map { index, service in
      LineGraph.Line(
        name: TerminalText(service.name, limit: 60), color: .ofSeries(index),
        points: service[keyPath: values].map { LineGraph.Point($0.time, $0.value) })
    }
    LineGraph(
      lines: lines, range: overview.start...overview.end, unit: unit, gap: overview.step * 2.5,
      label: { TerminalText(TimeText.clock(seconds: $0, zone)) }
    ).draw(into: &buffer, in: rest.splitLeft(1).rest)
  }

  private func drawTraces(_ overview: Overview, into buffer: inout CellBuffer, in area: Rectangle) {
    let through = service.map { "traces through " + TerminalText($0, limit: 60) } ?? "traces"
    let rest = heading(through + ": errors, then slow", .traces, into: &buffer, in: area)
    let rows = traces.map { trace -> [StyledText] in
      let isFailed = overview.failedTraces.contains(trace.id)
      let took = Double(trace.duration) / 1e9
      return [
        StyledText(TerminalText(TimeText.clock(nanoseconds: trace.start, zone)), .faint),
        StyledText(isFailed ? "✗" : "…", isFailed ? .error : .warning),
        StyledText(TerminalText(Quantity.duration(seconds: took))),
        StyledText(TerminalText(trace.rootService, limit: 60), Style(.cyan)),
        StyledText(TerminalText(trace.rootName, limit: 200)),
        StyledText(TerminalText(trace.failedService, limit: 60), .error),
        StyledText(TerminalText(trace.id, limit: 40), .faint),
      ]
    }
    Table(
      columns: [
        .init("START"), .init(""), .init("TOOK", .right), .init("SERVICE"), .init("NAME"),
        .init("FAILED IN"), .init("TRACE", flexible: true),
      ], rows: rows, selection: panel == .traces ? selection[.traces] ?? 0 : nil
    ).draw(into: &buffer, in: rest.splitLeft(2).rest)
  }

  private func drawLogs(into buffer: inout CellBuffer, in area: Rectangle) {
    let title = service.map { "error logs of " + TerminalText($0, limit: 60) } ?? "error logs"
    let rest = heading(title, .logs, into: &buffer, in: area)
    // Only what can be seen is turned into text; the selection stays in sight.
    let chosen = panel == .logs ? selection[.logs] ?? 0 : nil
    let first = chosen.map { max(0, $0 - rest.rows + 1) } ?? 0
    let entries = logs.dropFirst(first).prefix(rest.rows).map { $0.entry(zone) }
    LogList(entries: entries, selection: chosen.map { $0 - first }).draw(into: &buffer, in: rest.splitLeft(2).rest)
  }
}
