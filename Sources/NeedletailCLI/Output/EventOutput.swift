import NeedletailDashboard
import NeedletailTerminal

/// Logs and traces as tables, waterfalls and CSV.
enum EventOutput {
  /// One line a record; further lines of a message follow indented.
  ///
  /// - Parameters:
  ///   - now: unix nanoseconds, for the dates of records of other days.
  ///   - isWhole: whether nothing is cut.
  static func logs(
    _ logs: [LogLine], zone: TimeText.Zone, showsTrace: Bool = true, now: Int64 = WallClock.now(),
    isWhole: Bool = !Console.isTerminal
  ) -> [StyledText] {
    logs.flatMap { log -> [StyledText] in
      var first = log
      let parts = TerminalText.lines(log.body)
      first.body = parts.first?.string ?? ""
      return [first.entry(zone, now: now, showsTrace: showsTrace, isWhole: isWhole).line]
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

  /// One row a trace; nothing is cut where there is no limit of columns.
  static func traces(_ traces: [TraceSummary], zone: TimeText.Zone, columns: Int?) -> [StyledText] {
    func text(_ text: String, _ limit: Int) -> TerminalText { TerminalText(text, limit: columns == nil ? .max : limit) }
    let rows = traces.map { trace -> [StyledText] in
      [
        StyledText(TerminalText(trace.id, limit: 64)),
        StyledText(TerminalText(TimeText.full(nanoseconds: trace.start, zone)), .faint),
        StyledText(TerminalText(Quantity.duration(seconds: Double(trace.duration) / 1e9)), .bold),
        StyledText(text(trace.rootService, 200), Style(.cyan)),
        StyledText(text(trace.failedService, 200), .error),
        StyledText(text(trace.rootName, 500)),
      ]
    }
    return Table(
      columns: [
        .init("TRACE"), .init("START"), .init("TOOK", .right), .init("SERVICE"), .init("FAILED IN"),
        .init("NAME", flexible: true),
      ], rows: rows
    ).lines(within: columns)
  }

  static func csv(_ traces: [TraceSummary]) -> String {
    let header =
      CSV.line(
        ["trace_id", "start", "duration_ms", "service", "name", "failed_service", "failed_name"].map { .text($0) })
      + "\n"
    return traces.reduce(into: header) { out, trace in
      out +=
        CSV.line([
          .text(trace.id), .text(TimeText.full(nanoseconds: trace.start, .utc)), .number(Double(trace.duration) / 1e6),
          .text(trace.rootService), .text(trace.rootName), .text(trace.failedService), .text(trace.failedName),
        ]) + "\n"
    }
  }

  /// A heading, the waterfall, and what the failed spans say.
  ///
  /// With `isWhole` no name is cut: the lines are then as wide as they must be.
  static func trace(
    _ trace: Trace, zone: TimeText.Zone, columns: Int, depth: ColorDepth, isWhole: Bool = !Console.isTerminal
  ) -> String {
    let start = TimeText.full(nanoseconds: trace.start, zone)
    let took = Quantity.duration(seconds: Double(trace.duration) / 1e9)
    var heading = StyledText(TerminalText("trace \(trace.id)", limit: 200), .bold)
    heading.append(TerminalText("  \(start)  \(took)  \(trace.spanCount)"), .faint)
    // A trace of more spans than this is cut, and says so below.
    let limit = 1_000
    var waterfall = trace.waterfall(isWhole: isWhole)
    waterfall.cutsNames = !isWhole
    let columns = isWhole ? max(columns, waterfall.nameColumns + 50) : columns
    var buffer = CellBuffer(Size(columns: columns, rows: min(limit, waterfall.rows.count)))
    waterfall.draw(into: &buffer, in: buffer.bounds)
    var text = TerminalWriter.line(heading, depth: depth) + "\n" + TerminalWriter.lines(buffer, depth: depth)
    if waterfall.rows.count > limit {
      text += "(\(waterfall.rows.count - limit) more spans: --output json has them all)\n"
    }
    for span in trace.spans where span.isError && !span.message.isEmpty {
      var line = StyledText(TerminalText("✗ \(span.service) \(span.name): ", limit: isWhole ? .max : 400), .error)
      line.append(TerminalText(span.message, limit: isWhole ? .max : 1_000))
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
