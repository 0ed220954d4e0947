/// A table as text: columns aligned, with bars between them where it is to be Markdown.
package struct Table {
  private let columns: [String]
  private var rows: [[String]] = []

  package init(_ columns: [String]) { self.columns = columns }

  package mutating func add(_ row: [String]) {
    rows.append(row + Array(repeating: "", count: max(0, columns.count - row.count)))
  }

  package func text(markdown: Bool) -> String {
    let widths = columns.indices.map { column in ([columns] + rows).map { $0[column].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      let padded = cells.indices.map { index in
        let space = String(repeating: " ", count: max(0, widths[index] - cells[index].count))
        return index == 0 ? cells[index] + space : space + cells[index]
      }
      return markdown ? "| " + padded.joined(separator: " | ") + " |" : padded.joined(separator: "  ")
    }
    let rule = widths.map { String(repeating: "-", count: markdown ? max(3, $0) : $0) }
    return ([line(columns), line(rule)] + rows.map(line)).joined(separator: "\n")
  }

  /// A number with as many places as its size leaves useful, or a dash where there is none.
  package static func number(_ value: Double?) -> String {
    guard let value, value.isFinite else { return "-" }
    let places: Double
    switch abs(value) {
    case 100...: places = 1
    case 10...: places = 10
    case 1...: places = 100
    case 0.01...: places = 10_000
    default: places = 1_000_000
    }
    let rounded = (value * places).rounded() / places
    return places == 1 ? "\(Int(exactly: rounded) ?? 0)" : "\(rounded)"
  }
}
