/// How bad a log record is, in the six steps of OpenTelemetry.
package enum Severity: Int, Comparable, Sendable, CaseIterable {
  case trace, debug, info, warn, error, fatal

  /// From whatever a sender calls its level; nil when it says nothing known.
  package init?(name: String) {
    switch name.lowercased() {
    case "trace": self = .trace
    case "debug": self = .debug
    case "info", "information", "notice": self = .info
    case "warn", "warning": self = .warn
    case "error", "err": self = .error
    case "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic": self = .fatal
    default: return nil
    }
  }

  package static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }

  var label: TerminalText {
    switch self {
    case .trace: "TRACE"
    case .debug: "DEBUG"
    case .info: "INFO "
    case .warn: "WARN "
    case .error: "ERROR"
    case .fatal: "FATAL"
    }
  }

  var style: Style {
    switch self {
    case .trace, .debug: .faint
    case .info: Style(.green)
    case .warn: .warning
    case .error: Style(.red, .bold)
    case .fatal: Style(.red, [.bold, .reverse])
    }
  }
}

/// Log records, one line each: time, level, service, message, then fields and the trace.
package struct LogList: Sendable {
  package struct Entry: Sendable {
    package var time: TerminalText
    package var severity: Severity?
    package var service: TerminalText
    package var message: TerminalText
    package var fields: [(name: TerminalText, value: TerminalText)]
    /// Empty where it is not to be shown.
    package var traceID: TerminalText

    package init(
      time: TerminalText, severity: Severity?, service: TerminalText, message: TerminalText,
      fields: [(name: TerminalText, value: TerminalText)] = [], traceID: TerminalText = .empty
    ) {
      self.time = time
      self.severity = severity
      self.service = service
      self.message = message
      self.fields = fields
      self.traceID = traceID
    }

    /// The record as one line.
    package var line: StyledText {
      var text = StyledText(time, .faint)
      text.append(" ")
      text.append(severity?.label ?? "-    ", severity?.style ?? .faint)
      text.append(" ")
      text.append(service, Style(.cyan))
      text.append(" ")
      text.append(message)
      for field in fields {
        text.append("  " + field.name + "=", .faint)
        text.append(field.value)
      }
      if !traceID.isEmpty { text.append("  trace_id=" + traceID, .faint) }
      return text
    }
  }

  package var entries: [Entry]
  package var selection: Int?

  package init(entries: [Entry], selection: Int? = nil) {
    self.entries = entries
    self.selection = selection
  }

  package func draw(into buffer: inout CellBuffer, in area: Rectangle) {
    guard !area.isEmpty else { return }
    let first = selection.map { max(0, $0 - area.rows + 1) } ?? 0
    for (index, entry) in entries.dropFirst(first).prefix(area.rows).enumerated() {
      let y = area.row + index
      buffer.draw(entry.line.abbreviated(to: area.columns), row: y, column: area.column, in: area)
      if first + index == selection {
        buffer.restyle(Rectangle(column: area.column, row: y, columns: area.columns, rows: 1)) { $0.with(.reverse) }
      }
    }
  }
}
