import NeedletailDashboard
import NeedletailTerminal

/// Logs and traces as tables, waterfalls and CSV.
enum EventOutput {
  /// One line a record; further lines of a message follow indented.
  static func logs(_ logs: [LogLine], zone: TimeText.Zone) -> [StyledText] {
    logs.flatMap { log -> [StyledText] in
      var first = log
      let parts = TerminalText.lines(log.body)
      first.body = parts.first?.string ?? ""
      return [first.entry(zone, fields: true).line]
        + parts.dropFirst().map { StyledText(TerminalText("    ") + $0) }
    }
  }

  static func csv(_ logs: [LogLine]) -> String {
    let names = Set(logs.flatMap(\.labels.keys)).sorted()
    var out = CSV.line((["time"] + names + ["line"]).map { .text($0) }) + "\n"
    for log in logs {
      let labels = names.map { CSV.Field.text(log.labels[$0] ?? "") }
      out += CSV.line([.text(TimeText.full(nanoseconds: log.time, .utc))] + labels + [.text(log.body)]) + "\n"
    }
    return out
  }

  static func traces(_ traces: [TraceSummary], zone: TimeText.Zone, columns: Int) -> [StyledText] {
    let rows = traces.map { trace -> [StyledText] in
      [
        StyledText(TerminalText(trace.id, limit: 64)),
        StyledText(TerminalText(TimeText.full(nanoseconds: trace.start, zone)), .faint),
        StyledText(TerminalText(Quantity.duration(seconds: Double(trace.duration) / 1e9)), .bold),
        StyledText(TerminalText(trace.rootService, limit: 200), Style(.cyan)),
        StyledText(TerminalText(trace.rootName, limit: 500)),
      ]
    }
    return Table(
      columns: [
        .init("TRACE"), .init("START"), .init("TOOK", .right), .init("SERVICE"), .init("NAME", flexible: true),
      ], rows: rows
    ).lines(within: columns)
  }

  static func csv(_ traces: [TraceSummary]) -> String {
    let header = CSV.line(["trace_id", "start", "duration_ms", "service", "name"].map { .text($0) }) + "\n"
    return traces.reduce(into: header) { out, trace in
      out +=
        CSV.line([
          .text(trace.id), .text(TimeText.full(nanoseconds: trace.start, .utc)), .number(Double(trace.duration) / 1e6),
          .text(trace.rootService), .text(trace.rootName),
        ]) + "\n"
    }
  }

  /// A heading, the waterfall, and what the failed spans say.
  static func trace(_ trace: Trace, zone: TimeText.Zone, columns: Int, depth: ColorDepth) -> String {
    let start = TimeText.full(nanoseconds: trace.start, zone)
    let took = Quantity.duration(seconds: Double(trace.duration) / 1e9)
    var heading = StyledText(TerminalText("trace \(trace.id)", limit: 200), .bold)
    heading.append(TerminalText("  \(start)  \(took)  \(trace.spanCount)"), .faint)
    // A trace of more spans than this is cut, and says so below.
    let limit = 1_000
    let waterfall = trace.waterfall()
    var buffer = CellBuffer(Size(columns: columns, rows: min(limit, waterfall.rows.count)))
    waterfall.draw(into: &buffer, in: buffer.bounds)
    var text = TerminalWriter.line(heading, depth: depth) + "\n" + TerminalWriter.lines(buffer, depth: depth)
    if waterfall.rows.count > limit {
      text += "(\(waterfall.rows.count - limit) more spans: --output json has them all)\n"
    }
    for span in trace.spans where span.isError && !span.message.isEmpty {
      var line = StyledText(TerminalText("✗ \(span.service) \(span.name): ", limit: 400), .error)
      line.append(TerminalText(span.message, limit: 1_000))
      text += TerminalWriter.line(line, depth: depth) + "\n"
    }
    return text
  }

  static func csv(_ trace: Trace) -> String {
    let names = [
      "trace_id", "span_id", "parent_span_id", "service", "name", "start", "duration_ms", "error", "message",
    ]
    return trace.tree.reduce(into: CSV.line(names.map { .text($0) }) + "\n") { out, node in
      let span = node.span
      out +=
        CSV.line([
          .text(trace.id), .text(span.id), .text(span.parent), .text(span.service), .text(span.name),
          .text(TimeText.full(nanoseconds: span.start, .utc)), .number(Double(span.end &- span.start) / 1e6),
          .text(span.isError ? "true" : "false"), .text(span.message),
        ]) + "\n"
    }
  }
}
