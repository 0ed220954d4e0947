import NeedletailDashboard
import NeedletailTerminal

/// What the demonstration prints where there is no terminal: metrics, a graph, a failed trace and its logs.
struct DemoReport {
  var overview: Overview
  var trace: Trace?
  var logs: [LogLine]

  /// Asks for everything; of the failed traces, the newest that has logs.
  static func load(_ client: APIClient) async -> DemoReport {
    var overview = await OverviewQuery(window: 60).load(from: client, now: WallClock.now())
    var best: Trace?
    for summary in overview.traces where overview.failedTraces.contains(summary.id) {
      do {
        let trace = try await client.trace(summary.id)
        let logs = try await TraceCommand.logs(of: trace, client)
        if !logs.isEmpty { return DemoReport(overview: overview, trace: trace, logs: logs) }
        best = best ?? trace
      } catch {
        overview.problems.append("\(error)")
        break
      }
    }
    return DemoReport(overview: overview, trace: best, logs: [])
  }

  /// The parts that are empty.
  var missing: [String] {
    var missing: [String] = []
    if overview.services.isEmpty { missing.append("metrics") }
    if overview.services.allSatisfy({ $0.rate.count < 2 }) { missing.append("points for a graph") }
    if trace == nil { missing.append("a failed trace") }
    if logs.isEmpty { missing.append("logs of a failed trace") }
    return missing
  }

  func text(columns: Int) -> String {
    var text = heading("metrics: http_server_request_duration_seconds by job")
    text += lines(services)
    text += heading("graph: requests a second")
    let series = overview.services.map { SeriesResult(labels: [("job", $0.name)], points: $0.rate) }
    text += SeriesOutput(series: series, zone: .utc).graph(
      range: (
        TimeText.nanoseconds(ofSeconds: overview.start), TimeText.nanoseconds(ofSeconds: overview.end)
      ), step: TimeText.nanoseconds(ofSeconds: overview.step), size: Size(columns: columns, rows: 12),
      depth: Console.depth)
    if let trace {
      text += heading("a failed trace")
      text += EventOutput.trace(trace, zone: .utc, columns: columns, depth: Console.depth)
    }
    if !logs.isEmpty {
      text += heading("its logs")
      text += lines(EventOutput.logs(logs, zone: .utc, showsTrace: false))
    }
    return text
  }

  private var services: [StyledText] {
    let rows = overview.services.map { service -> [StyledText] in
      [
        StyledText(TerminalText(service.name, limit: 60), .bold),
        StyledText(TerminalText(Quantity.text(service.rateNow, .perSecond))),
        StyledText(TerminalText(Quantity.text(service.errors * 100, .percent))),
        StyledText(TerminalText(Quantity.text(service.p50, .seconds))),
        StyledText(TerminalText(Quantity.text(service.p95, .seconds))),
        StyledText(TerminalText(Quantity.text(service.p99, .seconds))),
      ]
    }
    return Table(
      columns: [
        .init("SERVICE"), .init("RATE", .right), .init("ERRORS", .right), .init("P50", .right), .init("P95", .right),
        .init("P99", .right),
      ], rows: rows
    ).lines(within: Console.tableColumns)
  }

  private func heading(_ text: TerminalText) -> String {
    "\n" + TerminalWriter.line(StyledText("── " + text + " ──", .heading), depth: Console.depth) + "\n"
  }

  private func lines(_ lines: [StyledText]) -> String {
    lines.reduce(into: "") { $0 += TerminalWriter.line($1, depth: Console.depth) + "\n" }
  }
}
