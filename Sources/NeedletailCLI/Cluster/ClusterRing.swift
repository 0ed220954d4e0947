import NeedletailDashboard
import NeedletailTerminal

/// Which nodes hold which slots, as a node of the cluster tells of it.
struct ClusterRing: Equatable {
  struct Slot: Hashable {
    var replicas: [String]
    /// Where it is on its way to; nil where it stays.
    var next: [String]?
  }

  var slots: [Slot]

  /// Reads the answer of a server.
  ///
  /// Throws ``APIFailure/malformed`` for another shape.
  init(_ body: [UInt8], path: String) throws {
    guard case .array(let slots)? = try Answers.parse(body, path)["data"]?["slots"] else {
      throw APIFailure.malformed(path: path, reason: "no data.slots")
    }
    self.slots = slots.map { slot in
      Slot(
        replicas: (slot["replicas"]?.array ?? []).compactMap(\.string),
        next: slot["next"].map { $0.array.compactMap(\.string) })
    }
  }

  /// A row for all slots that lie on the same nodes, those of most slots first.
  func summary(columns: Int?) -> [StyledText] {
    var counts: [Slot: Int] = [:]
    for slot in slots {
      counts[Slot(replicas: slot.replicas.sorted(), next: slot.next?.sorted()), default: 0] += 1
    }
    let groups = counts.sorted { left, right in
      if left.value != right.value { return left.value > right.value }
      if left.key.replicas != right.key.replicas {
        return left.key.replicas.lexicographicallyPrecedes(right.key.replicas)
      }
      return (left.key.next ?? []).lexicographicallyPrecedes(right.key.next ?? [])
    }
    let rows = groups.map { group, count in
      let share = Quantity.fixed(100 * Double(count) / Double(slots.count), decimals: 1) + "%"
      return [
        Self.text(group.replicas), StyledText(TerminalText("\(count)"), .bold), StyledText(TerminalText(share)),
        group.next.map(Self.text) ?? "",
      ]
    }
    let titles: [Table.Column] = [
      .init("REPLICAS", flexible: true), .init("SLOTS", .right), .init("SHARE", .right), .init("NEXT", flexible: true),
    ]
    return Table(columns: titles, rows: rows).lines(within: columns)
  }

  /// A row for each slot.
  func list(columns: Int?) -> [StyledText] {
    let rows = slots.enumerated().map { index, slot in
      [StyledText(TerminalText("\(index)"), .bold), Self.text(slot.replicas), slot.next.map(Self.text) ?? ""]
    }
    let titles: [Table.Column] = [
      .init("SLOT", .right), .init("REPLICAS", flexible: true), .init("NEXT", flexible: true),
    ]
    return Table(columns: titles, rows: rows).lines(within: columns)
  }

  private static func text(_ nodes: [String]) -> StyledText {
    StyledText(TerminalText(nodes.isEmpty ? "(none)" : nodes.joined(separator: " "), limit: 1000))
  }
}
