import NeedletailEnvironment
import NeedletailTerminal
import Testing

@Suite("The screen in memory")
struct CellBufferTests {
  @Test("clips to the rectangle that the caller may touch")
  func clips() {
    var buffer = CellBuffer(Size(columns: 10, rows: 2))
    buffer.draw("abcdef", row: 0, column: 2, in: Rectangle(column: 3, row: 0, columns: 3, rows: 1))
    #expect(buffer.lines == ["   bcd", ""])
  }

  @Test("draws a wide glyph whole or not at all")
  func wideGlyphs() {
    var buffer = CellBuffer(Size(columns: 4, rows: 1))
    buffer.draw("a漢字b", row: 0, column: 0, in: buffer.bounds)
    #expect(buffer.lines == ["a漢"])
    buffer.draw("x", row: 0, column: 2, in: buffer.bounds)
    #expect(buffer.lines == ["a x"])
    buffer.draw("漢", row: 0, column: 0, in: buffer.bounds)
    buffer.draw("y", row: 0, column: 0, in: buffer.bounds)
    #expect(buffer.lines == ["y x"])
  }

  @Test("no widget draws a cell outside of its rectangle", arguments: 0..<60 as Range<UInt64>)
  func confined(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    func text() -> TerminalText { TerminalText(utf8: generator.hostileBytes(upTo: number(0...40))) }
    let size = Size(columns: number(0...60), rows: number(0...20))
    let area = Rectangle(column: number(-5...50), row: number(-5...15), columns: number(0...50), rows: number(0...15))
    var values = (0..<number(0...30)).map { _ in Double.random(in: -10...10, using: &generator) }
    values += [.nan, .infinity, 1e308, -1e308, 0]
    values.shuffle(using: &generator)

    let rows = (0..<number(0...10)).map { _ in [StyledText(text()), StyledText(text(), .error)] }
    let table = Table(
      columns: [.init(text(), flexible: true), .init(text(), .right)], rows: rows, selection: number(0...9))
    let graph = LineGraph(
      lines: [
        .init(name: text(), color: .red, points: values.enumerated().map { LineGraph.Point(Double($0), $1) })
      ], range: 0...Double(number(0...30)), unit: .seconds, label: { TerminalText("\($0)") })
    let bars = Waterfall(
      rows: values.map {
        Waterfall.Row(
          depth: number(0...100), service: text(), name: text(), start: Int64(clamping: Int(number(-5...50))),
          duration: .max, isError: $0 > 0, color: .blue)
      }, duration: Int64(number(0...40)), selection: number(0...40))
    let logs = LogList(
      entries: values.map { _ in .init(time: text(), severity: .error, service: text(), message: text()) },
      selection: number(0...40))

    let drawings: [(inout CellBuffer) -> Void] = [
      { table.draw(into: &$0, in: area) }, { graph.draw(into: &$0, in: area) },
      { bars.draw(into: &$0, in: area) }, { logs.draw(into: &$0, in: area) },
    ]
    for (index, draw) in drawings.enumerated() {
      var buffer = CellBuffer(size)
      draw(&buffer)
      for row in 0..<size.rows {
        for column in 0..<size.columns where !area.contains(row: row, column: column) {
          #expect(buffer[row, column] == .blank, "seed \(seed), drawing \(index), row \(row), column \(column)")
        }
      }
    }
  }
}
