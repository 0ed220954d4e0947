import Foundation
import NeedletailTerminal
import NeedletailTestSupport
import Testing

@Suite("Widgets")
struct WidgetTests {
  @Test("a table abbreviates its flexible column, aligns numbers right and keeps the selection in sight")
  func table() throws {
    let rows = (0..<9).map { index -> [StyledText] in
      ["service-with-a-long-name-\(index)", "\(index * 113)", "漢字 \(index)"]
    }
    let table = Table(
      columns: [.init("SERVICE", flexible: true), .init("RATE", .right), .init("NOTE")], rows: rows, selection: 7)
    var buffer = CellBuffer(Size(columns: 34, rows: 6))
    table.draw(into: &buffer, in: buffer.bounds)
    try expectGolden(framed(buffer), "table")
    #expect(table.row(at: 5, in: buffer.bounds) == 7)
    #expect(table.row(at: 0, in: buffer.bounds) == nil)
  }

  @Test("a graph has a value axis from zero, times, and gaps where nothing is known")
  func graph() throws {
    let wave = (0...60).map { LineGraph.Point(Double($0), 50 + 45 * sin(Double($0) / 6)) }
    let steps = (0...60).map { LineGraph.Point(Double($0), (20...30).contains($0) ? .nan : Double($0 / 10 * 10)) }
    let graph = LineGraph(
      lines: [.init(name: "wave", color: .blue, points: wave), .init(name: "steps", color: .red, points: steps)],
      range: 0...60, unit: .perSecond, label: { TerminalText("t\(Int($0))") })
    var buffer = CellBuffer(Size(columns: 60, rows: 14))
    graph.draw(into: &buffer, in: Rectangle(column: 1, row: 1, columns: 58, rows: 12))
    try expectGolden(framed(buffer), "graph")
  }

  @Test("a waterfall shows the tree, the bars on the trace's time, and errors")
  func waterfall() throws {
    func row(
      _ depth: Int, _ service: TerminalText, _ name: TerminalText, _ start: Int64, _ took: Int64, _ bad: Bool = false
    )
      -> Waterfall.Row
    {
      Waterfall.Row(
        depth: depth, service: service, name: name, start: start * 1_000_000, duration: took * 1_000_000, isError: bad,
        color: .blue)
    }
    let trace = Waterfall(
      rows: [
        row(0, "frontend", "GET /checkout", 0, 240, true), row(1, "cart", "GET /cart", 4, 20),
        row(1, "payment", "POST /charge", 30, 205, true), row(2, "payment", "card.authorise", 33, 200, true),
        row(1, "frontend", "render", 238, 2),
      ], duration: 240_000_000, selection: 2)
    var buffer = CellBuffer(Size(columns: 70, rows: 7))
    trace.draw(into: &buffer, in: buffer.bounds)
    try expectGolden(framed(buffer), "waterfall")
  }

  @Test("a log list shows level, service and fields, cut at the edge")
  func logs() throws {
    let list = LogList(
      entries: [
        .init(
          time: "12:00:01.250", severity: .error, service: "payment", message: "card declined\u{1B}[2J",
          fields: [("order", "42"), ("reason", "insufficient funds")]),
        .init(time: "12:00:02.000", severity: nil, service: "cart", message: "hello"),
      ], selection: 1)
    var buffer = CellBuffer(Size(columns: 60, rows: 3))
    list.draw(into: &buffer, in: buffer.bounds)
    try expectGolden(framed(buffer), "logs")
  }

  @Test("numbers are rounded to their significant digits, whole ones not at all")
  func rounding() {
    let cases: [(Double, Double)] = [
      (0.909090909, 0.909091), (12_345.678_9, 12_345.7), (9.123_456_789e-05, 9.12346e-05), (123_456_789, 123_456_789),
      (-0.123_456_789, -0.123457), (1_234_567.89, 1_234_568), (0, 0), (.infinity, .infinity),
      (.leastNonzeroMagnitude, .leastNonzeroMagnitude),
    ]
    for (value, expected) in cases { #expect(Quantity.rounded(value) == expected, "\(value)") }
    #expect(Quantity.text(0.000_012_345_678) == "1.23e-05")
  }

  @Test("a table without a limit is as wide as its cells")
  func wideTable() {
    let long = TerminalText(String(repeating: "x", count: 500))
    let table = Table(columns: [.init("A", flexible: true), .init("B")], rows: [[StyledText(long), "b"]])
    #expect(table.lines(within: nil)[1].string == long.string + "  b")
    #expect(table.lines(within: 20)[1].width == 20)
  }

  @Test("sparklines and bars scale from zero and pad to their width")
  func small() {
    #expect(Sparkline([0, 1, 2, 4]).text(columns: 6).string == "  ▁▂▄█")
    #expect(Sparkline([.nan, 4, 4]).text(columns: 3).string == " ██")
    #expect(Sparkline((0..<100).map { _ in 1 }).text(columns: 10).width == 10)
    #expect(Bar.text(fraction: 0.5, columns: 9).string == "████▌")
    #expect(Bar.text(fraction: .nan, columns: 9).isEmpty)
  }
}
