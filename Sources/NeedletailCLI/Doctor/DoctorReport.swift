import NeedletailBlocks
import NeedletailTerminal

/// What the doctor found, for people and for programs.
struct DoctorReport {
  /// The books of one signal, of all tenants and members.
  struct Total: Equatable {
    var signal: String
    var received = 0
    var acknowledged = 0
    var refused = 0
    var failed = 0
    var underWay = 0
  }

  let diagnosis: Diagnosis
  let findings: [Finding]

  init(_ diagnosis: Diagnosis) {
    self.diagnosis = diagnosis
    findings = diagnosis.findings
  }

  var isHealthy: Bool { Diagnosis.isHealthy(findings) }

  /// By signal: metrics, traces, logs.
  var totals: [Total] {
    ["metrics", "traces", "logs"].map { signal in
      var total = Total(signal: signal)
      for account in diagnosis.ledger.members.flatMap(\.accounts) where account.signal == signal {
        total.received += account.received
        total.acknowledged += account.acknowledged
        total.refused += account.refused.values.reduce(0, +)
        total.failed += account.failed.values.reduce(0, +)
        total.underWay += account.underWay
      }
      return total
    }
  }

  // MARK: For people

  func lines(columns: Int?) -> [StyledText] {
    let members = diagnosis.ledger.members
    let count = members.count + diagnosis.ledger.silent.count
    let asked =
      diagnosis.cluster == nil
      ? "one node, which belongs to no cluster"
      : "\(members.count) of \(Counted.text(count, "member")) told their "
        + "books"
    var lines = [StyledText(TerminalText(asked, limit: 200), .bold)]
    let rows = totals.map { total in
      [
        total.signal, "\(total.received)", "\(total.acknowledged)", "\(total.refused)", "\(total.failed)",
        "\(total.underWay)",
      ].map { StyledText(TerminalText($0)) }
    }
    let titles: [Table.Column] = [
      .init("ITEMS"), .init("RECEIVED", .right), .init("ACKNOWLEDGED", .right), .init("REFUSED", .right),
      .init("TURNED AWAY", .right), .init("UNDER WAY", .right),
    ]
    lines += Table(columns: titles, rows: rows).lines(within: columns) + [""]
    for finding in findings { lines += Self.lines(of: finding) }
    lines.append(conclusion)
    return lines
  }

  private var conclusion: StyledText {
    let problems = findings.count { $0.severity == .problem }
    let warnings = findings.count { $0.severity == .warning }
    guard problems + warnings > 0 else { return StyledText("healthy: there is nothing to do", Style(.green)) }
    let parts = [(problems, "problem"), (warnings, "warning")].filter { $0.0 > 0 }.map { Counted.text($0.0, $0.1) }
    return StyledText(TerminalText(parts.joined(separator: " and ")), problems > 0 ? .error : .warning)
  }

  private static func lines(of finding: Finding) -> [StyledText] {
    let (mark, style): (String, Style) =
      switch finding.severity {
      case .problem: ("✗", .error)
      case .warning: ("!", .warning)
      case .note: ("·", .faint)
      }
    var head = StyledText(TerminalText(mark + " "), style)
    if let node = finding.node { head.append(TerminalText("\(node): ", limit: 200), .bold) }
    head.append(TerminalText(finding.what, limit: 2_000), finding.severity == .note ? .faint : .plain)
    var lines = [head]
    if let why = finding.why { lines.append(StyledText(TerminalText("    why  \(why)", limit: 2_000), .faint)) }
    if let remedy = finding.remedy { lines.append(StyledText(TerminalText("    do   \(remedy)", limit: 2_000))) }
    return lines
  }

  // MARK: For programs

  var json: JSON {
    func number(_ value: Int) -> JSON { .number("\(value)") }
    return .object([
      "healthy": .bool(isHealthy),
      "members": .array(diagnosis.ledger.members.map { .string($0.node) }),
      "silent": .array(
        diagnosis.ledger.silent.map { .object(["node": .string($0.node), "reason": .string($0.reason)]) }),
      "items": .array(
        totals.map { total in
          .object([
            "signal": .string(total.signal), "received": number(total.received),
            "acknowledged": number(total.acknowledged), "refused": number(total.refused),
            "failed": number(total.failed), "underWay": number(total.underWay),
          ])
        }),
      "findings": .array(
        findings.map { finding in
          .object([
            "severity": .string(finding.severity.name), "code": .string(finding.code),
            "node": finding.node.map { .string($0) } ?? .null, "what": .string(finding.what),
            "why": finding.why.map { .string($0) } ?? .null, "do": finding.remedy.map { .string($0) } ?? .null,
          ])
        }),
    ])
  }
}
