import BenchmarkSupport
import Foundation

/// The figures of a load, a row each, as medians over the passes beside the peers'.
///
/// Targets are ratios to VictoriaMetrics: there are none where another server is the peer.
struct FigureTable {
  /// How good Needletail must be.
  enum Target {
    case ratio(Double)
    case absolute(Double)
  }

  private struct Row {
    let name: String
    let target: Target?
    var values: [String: [Double]] = [:]
  }

  private let servers: [String]
  private var rows: [Row] = []
  private(set) var notes: [String] = []

  private let peer: String

  init(servers: [String], peer: String = "victoria-metrics") {
    self.servers = servers
    self.peer = peer
  }

  mutating func record(_ name: String, _ server: String, _ value: Double?, target: Target? = nil) {
    guard let value, value.isFinite else { return }
    // Said at once, so that a run that is broken off was not for nothing.
    FileHandle.standardError.write(Data("peers-bench: \(server): \(name): \(Table.number(value))\n".utf8))
    let index = rows.firstIndex { $0.name == name } ?? rows.endIndex
    if index == rows.endIndex { rows.append(Row(name: name, target: target)) }
    rows[index].values[server, default: []].append(value)
  }

  mutating func note(_ text: String) {
    if !notes.contains(text) { notes.append(text) }
  }

  func text(markdown: Bool) -> String {
    let marked = notes.map { (markdown ? "- " : "  note: ") + $0 }.joined(separator: "\n")
    let table = peer == "victoria-metrics" ? tableWithTargets() : tableBesidePeer()
    return table.text(markdown: markdown) + (notes.isEmpty ? "" : "\n\n" + marked)
  }

  private func tableBesidePeer() -> Table {
    var table = Table(["figure"] + servers + ["Needletail/\(peer.capitalized)"])
    for row in rows {
      let other = row.values[peer]?.median
      let ratio = row.values["needletail"]?.median.flatMap { own in other.map { own / $0 } }
      table.add([row.name] + servers.map { Table.number(row.values[$0]?.median) } + [Table.number(ratio)])
    }
    return table
  }

  private func tableWithTargets() -> Table {
    var table = Table(["figure"] + servers + ["Prometheus/VM", "Needletail/VM", "target", "met"])
    for row in rows {
      let peer = row.values["victoria-metrics"]?.median
      let own = row.values["needletail"]?.median
      let ratio = own.flatMap { own in peer.map { own / $0 } }
      let other = row.values["prometheus"]?.median.flatMap { value in peer.map { value / $0 } }
      var goal = ("", "")
      switch row.target {
      case .ratio(let target): goal = ("\(target) x VM", ratio.map { $0 <= target ? "yes" : "no" } ?? "-")
      case .absolute(let target): goal = (Table.number(target), own.map { $0 <= target ? "yes" : "no" } ?? "-")
      case nil: break
      }
      table.add(
        [row.name] + servers.map { Table.number(row.values[$0]?.median) }
          + [Table.number(other), Table.number(ratio), goal.0, goal.1])
    }
    return table
  }
}
