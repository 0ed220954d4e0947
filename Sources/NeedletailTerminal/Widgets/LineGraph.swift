/// Lines over time, drawn with braille dots (two by four a cell), a value axis at the left and times below.
package struct LineGraph: Sendable {
  package struct Point: Equatable, Sendable {
    /// Where on the horizontal axis, in any unit.
    package var x: Double
    /// Not finite: a gap.
    package var y: Double

    package init(_ x: Double, _ y: Double) {
      self.x = x
      self.y = y
    }
  }

  package struct Line: Sendable {
    package var name: TerminalText
    package var color: Color
    /// What stands in the cells that the line goes through, where colours do not tell lines apart; nil for dots.
    package var mark: TerminalText?
    /// In ascending order of x.
    package var points: [Point]

    package init(name: TerminalText, color: Color, mark: TerminalText? = nil, points: [Point]) {
      self.name = name
      self.color = color
      self.mark = mark
      self.points = points
    }
  }

  /// Marks that differ, each one column wide.
  package static let marks: [TerminalText] = ["●", "○", "▲", "△", "■", "□", "◆", "◇", "+", "×", "*", "#"]

  package var lines: [Line]
  /// What the horizontal axis spans.
  package var range: ClosedRange<Double>
  package var unit: Quantity.Unit
  /// Points farther apart than this are not joined.
  package var gap: Double
  /// The label of a place on the horizontal axis.
  package var label: @Sendable (Double) -> TerminalText

  package init(
    lines: [Line], range: ClosedRange<Double>, unit: Quantity.Unit = .none, gap: Double = .infinity,
    label: @escaping @Sendable (Double) -> TerminalText
  ) {
    self.lines = lines
    self.range = range
    self.unit = unit
    self.gap = gap
    self.label = label
  }

  package func draw(into buffer: inout CellBuffer, in area: Rectangle) {
    let scale = ValueScale(values: lines.flatMap { $0.points.map(\.y) }, rows: area.rows - 1)
    let labels = scale.ticks.map { (row: $0.row, text: TerminalText(Quantity.text($0.value, unit))) }
    let margin = min(area.columns / 2, (labels.map(\.text.width).max() ?? 0) + 1)
    let (left, rest) = area.splitLeft(margin)
    let (plot, axis) = rest.splitTop(area.rows - 1)
    guard plot.columns > 1, plot.rows > 0 else { return }
    for label in labels where label.row < plot.rows {
      let column = left.column + max(0, margin - 1 - label.text.width)
      buffer.draw(label.text, row: plot.row + label.row, column: column, style: .faint, in: left)
    }
    for row in plot.row..<plot.endRow {
      buffer.draw("│", row: row, column: plot.column, style: .faint, in: plot)
    }
    let inner = plot.splitLeft(1).rest
    for line in lines { draw(line, scale, into: &buffer, in: inner) }
    drawTimes(into: &buffer, in: axis)
  }

  private func drawTimes(into buffer: inout CellBuffer, in axis: Rectangle) {
    guard !axis.isEmpty else { return }
    let first = label(range.lowerBound)
    let last = label(range.upperBound)
    let end = axis.endColumn - last.width
    buffer.draw(last, row: axis.row, column: end, style: .faint, in: axis)
    guard first.width + 2 + last.width <= axis.columns else { return }
    buffer.draw(first, row: axis.row, column: axis.column, style: .faint, in: axis)
    let middle = label((range.lowerBound + range.upperBound) / 2)
    let start = axis.column + (axis.columns - middle.width) / 2
    guard start > axis.column + first.width + 1, start + middle.width + 1 < end else { return }
    buffer.draw(middle, row: axis.row, column: start, style: .faint, in: axis)
  }

  private func draw(_ line: Line, _ scale: ValueScale, into buffer: inout CellBuffer, in area: Rectangle) {
    var dots = DotCanvas(columns: area.columns, rows: area.rows)
    let span = range.upperBound - range.lowerBound
    var previous: (point: Point, x: Int, y: Int)?
    for point in line.points {
      guard point.y.isFinite, point.x.isFinite, range.contains(point.x), span > 0 else {
        previous = nil
        continue
      }
      let x = Int(((point.x - range.lowerBound) / span * Double(dots.width - 1)).rounded())
      let y = Int(((1 - scale.share(point.y)) * Double(dots.height - 1)).rounded())
      if let previous, point.x - previous.point.x <= gap {
        dots.line(from: (previous.x, previous.y), to: (x, y))
      } else {
        dots.set(x, y)
      }
      previous = (point, x, y)
    }
    let mark = line.mark?.glyphs.first
    for row in 0..<area.rows {
      for column in 0..<area.columns where dots[row, column] != 0 {
        buffer.set(
          mark ?? .braille(dots[row, column]), row: area.row + row, column: area.column + column,
          style: Style(line.color),
          in: area)
      }
    }
  }
}

/// The vertical axis: from zero, or from near the least value when all lie in a narrow band far from zero.
struct ValueScale: Sendable {
  let low: Double
  let high: Double
  /// Values to write beside rows, top to bottom.
  let ticks: [(row: Int, value: Double)]

  init(values: [Double], rows: Int) {
    // Values beyond this would overflow the arithmetic of the axis.
    let finite = values.filter { $0.isFinite && abs($0) < 1e300 }
    let most = finite.max() ?? 1
    let least = finite.min() ?? 0
    let isBand = least > 0 && least > 0.7 * most && most > least
    let bottom = isBand ? least : min(0, least)
    let top = most > bottom ? most : bottom + 1
    let wanted = max(1, min(4, rows / 3))
    let step = Self.niceStep((top - bottom) / Double(wanted))
    low = (bottom / step).rounded(.down) * step
    high = max((top / step).rounded(.up) * step, low + step)
    var found: [(row: Int, value: Double)] = []
    let count = min(16, Int(((high - low) / step).rounded()))
    for index in 0...max(1, count) {
      let value = low + Double(index) * step
      let row = Int(((1 - (value - low) / (high - low)) * Double(max(0, rows - 1))).rounded())
      if found.last?.row != row { found.append((row, value)) }
    }
    ticks = found.reversed()
  }

  /// Where a value lies between the ends, 0 to 1.
  func share(_ value: Double) -> Double { min(1, max(0, (value - low) / (high - low))) }

  private static func niceStep(_ raw: Double) -> Double {
    guard raw.isFinite, raw > 1e-300 else { return 1 }
    var power = 1.0
    while power * 10 <= raw { power *= 10 }
    while power > raw { power /= 10 }
    let share = raw / power
    return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10)
  }
}

/// Dots, two by four a cell, in the order of the braille block.
private struct DotCanvas {
  let columns: Int
  let rows: Int
  private var cells: [UInt8]

  init(columns: Int, rows: Int) {
    self.columns = max(0, columns)
    self.rows = max(0, rows)
    cells = Array(repeating: 0, count: self.columns * self.rows)
  }

  var width: Int { columns * 2 }
  var height: Int { rows * 4 }

  subscript(row: Int, column: Int) -> UInt8 { cells[row * columns + column] }

  mutating func set(_ x: Int, _ y: Int) {
    guard x >= 0, y >= 0, x < width, y < height else { return }
    let bits: [[UInt8]] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]]
    cells[y / 4 * columns + x / 2] |= bits[x % 2][y % 4]
  }

  mutating func line(from start: (x: Int, y: Int), to end: (x: Int, y: Int)) {
    let steps = max(abs(end.x - start.x), abs(end.y - start.y))
    guard steps > 0 else { return set(end.x, end.y) }
    for step in 0...steps {
      set(start.x + (end.x - start.x) * step / steps, start.y + (end.y - start.y) * step / steps)
    }
  }
}
