import NeedletailBlocks
import NeedletailDashboard
import NeedletailTerminal

/// A cluster for people: at a glance, and node by node.
struct ClusterReport {
  private static let barColumns = 30

  let state: ClusterState

  // MARK: At a glance

  /// What there is to know, a line each.
  func glance() -> [StyledText] {
    guard let cluster = state.cluster else {
      return [Self.line("cluster", "not formed yet, as \(state.node) sees it")] + nodeLines()
    }
    var lines = [Self.line("cluster", "\(cluster), as \(state.node) sees it")] + nodeLines()
    lines.append(
      Self.line(
        "replicas",
        "\(state.replication) of each slot: \(state.writeQuorum) take a write, \(state.readQuorum) agree on a read"))
    lines.append(slotLine())
    let unready = state.members.filter { ($0.unready ?? 0) > 0 }
    if !unready.isEmpty {
      lines.append(Self.line("not whole", Self.list(unready) { "\($0.unready ?? 0) on \($0.name)" }))
    }
    let waiting = state.nodes.filter { $0.hints > 0 }
    if !waiting.isEmpty { lines.append(Self.line("hints", Self.list(waiting) { "\(Self.hints($0)) for \($0.name)" })) }
    lines.append(Self.line("assignment", "version \(state.epoch)"))
    if let change = state.change { lines += Self.lines(of: change) }
    return lines
  }

  private func nodeLines() -> [StyledText] {
    // Where a cluster is formed, who was drained or not added yet has no part in it.
    let spare = state.cluster == nil ? [] : state.members.filter(\.isSpare)
    let members = state.members.filter { node in !spare.contains { $0.name == node.name } }
    guard !members.isEmpty else { return [] }
    let up = members.filter(\.isUp).count
    let absent = members.filter { !$0.isUp }
    var rest = absent.isEmpty ? "" : "; " + Self.list(absent) { "\($0.name) \($0.status)" }
    if !spare.isEmpty { rest += "; without slots: " + Self.list(spare) { $0.name } }
    return [Self.line("nodes", "\(up) of \(members.count) up\(rest)", absent.isEmpty ? .plain : .warning)]
  }

  private func slotLine() -> StyledText {
    let (unread, unwritten) = (state.slotsWithoutReadQuorum, state.slotsWithoutWriteQuorum)
    if unread == 0, unwritten == 0 { return Self.line("slots", "\(state.slots), of which all can be read and written") }
    func text(_ count: Int, _ what: String) -> String {
      count == 0 ? "all can be \(what)" : "\(count) cannot be \(what)"
    }
    return Self.line(
      "slots", "\(state.slots), of which \(text(unread, "read")) and \(text(unwritten, "written"))", .error)
  }

  /// A change under way, with a bar of how far it is.
  static func lines(of change: ClusterState.Change) -> [StyledText] {
    let bar = Bar.text(fraction: change.fraction, columns: barColumns)
    var line = heading("")
    line.append(bar, Style(.green))
    line.append(TerminalText("·").repeated(barColumns - bar.width), .faint)
    line.append(TerminalText(" " + progress(change)))
    return [Self.line("change", change.what), line]
  }

  /// How far a change is, in words.
  static func progress(_ change: ClusterState.Change) -> String {
    guard change.slots > 0 else { return "nothing is left to be filled" }
    let percent = Quantity.fixed((change.fraction * 1000).rounded(.down) / 10, decimals: 1)
    return "\(percent) %, \(change.filled) of \(Counted.text(change.slots, "replica"))"
  }

  // MARK: Node by node

  /// A row each; not wider than `columns`, where there is a limit.
  func nodes(columns: Int?) -> [StyledText] {
    let all = state.nodes.reduce(0) { $0 + $1.slots }
    let rows = state.nodes.map { node in
      let share = all == 0 ? "-" : Quantity.fixed(100 * Double(node.slots) / Double(all), decimals: 1) + "%"
      let style = Self.style(node)
      let cells: [(String, Style)] = [
        (node.name, .bold), (node.status, style), (Self.roles(node.roles), .plain), (node.zone ?? "-", .plain),
        ("\(node.weight)", .plain), ("\(node.slots)", .plain), (share, .plain), (Self.moving(node), .plain),
        (Self.unready(node), (node.unready ?? 0) > 0 ? .warning : .plain),
        (Self.hints(node), node.hints > 0 ? .warning : .plain), (node.address, .plain), (node.version, .faint),
      ]
      return cells.map { StyledText(TerminalText($0.0, limit: 200), $0.1) }
    }
    let titles: [Table.Column] = [
      .init("NODE", flexible: true), .init("STATUS"), .init("ROLES", flexible: true), .init("ZONE", flexible: true),
      .init("WEIGHT", .right), .init("SLOTS", .right), .init("SHARE", .right), .init("MOVING", .right),
      .init("UNREADY", .right), .init("HINTS", .right), .init("ADDRESS", flexible: true),
      .init("VERSION", flexible: true),
    ]
    return Table(columns: titles, rows: rows).lines(within: columns)
  }

  private static func style(_ node: ClusterState.Node) -> Style {
    switch node.status {
    case "alive": Style(.green)
    case "suspect", "unknown": .warning
    case "dead": .error
    default: .faint
    }
  }

  private static func roles(_ roles: [String]) -> String {
    if Set(roles) == ["collector", "storage", "query"] { return "all" }
    return roles.isEmpty ? "-" : roles.joined(separator: ",")
  }

  private static func moving(_ node: ClusterState.Node) -> String {
    let parts = [node.arriving > 0 ? "+\(node.arriving)" : nil, node.leaving > 0 ? "-\(node.leaving)" : nil]
    return parts.compactMap(\.self).joined(separator: " ")
  }

  private static func unready(_ node: ClusterState.Node) -> String {
    node.unready.map { "\($0)" } ?? (node.holdsSlots ? "?" : "-")
  }

  private static func hints(_ node: ClusterState.Node) -> String {
    node.hints == 0 ? "0" : "\(node.hints) (\(Quantity.text(Double(node.hintBytes), .bytes)))"
  }

  // MARK: Lines

  private static func heading(_ title: String) -> StyledText {
    StyledText(TerminalText(title + String(repeating: " ", count: max(1, 12 - title.count))), .heading)
  }

  private static func line(_ title: String, _ text: String, _ style: Style = .plain) -> StyledText {
    var line = heading(title)
    line.append(TerminalText(text, limit: 1000), style)
    return line
  }

  /// What is said of some nodes; of more than a few only how many there are.
  private static func list(_ nodes: [ClusterState.Node], _ text: (ClusterState.Node) -> String) -> String {
    let shown = nodes.prefix(8).map(text).joined(separator: ", ")
    return nodes.count > 8 ? "\(shown) and \(Counted.text(nodes.count - 8, "other"))" : shown
  }
}
