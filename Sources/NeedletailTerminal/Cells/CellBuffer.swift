/// Columns and rows, never negative.
package struct Size: Equatable, Hashable, Sendable {
  package let columns: Int
  package let rows: Int

  /// The largest side that a buffer is made for: what a window reports is data from outside.
  package static let maximumSide = 2_000

  package init(columns: Int, rows: Int) {
    self.columns = min(Self.maximumSide, max(0, columns))
    self.rows = min(Self.maximumSide, max(0, rows))
  }
}

/// A part of the screen, in cells, the origin at the top left.
package struct Rectangle: Equatable, Hashable, Sendable {
  package var column: Int
  package var row: Int
  package var columns: Int
  package var rows: Int

  package init(column: Int, row: Int, columns: Int, rows: Int) {
    self.column = column
    self.row = row
    self.columns = max(0, columns)
    self.rows = max(0, rows)
  }

  package init(_ size: Size) { self.init(column: 0, row: 0, columns: size.columns, rows: size.rows) }

  package var endColumn: Int { column + columns }
  package var endRow: Int { row + rows }
  package var isEmpty: Bool { columns == 0 || rows == 0 }

  package func contains(row: Int, column: Int) -> Bool {
    row >= self.row && row < endRow && column >= self.column && column < endColumn
  }

  package func intersection(_ other: Rectangle) -> Rectangle {
    let (left, top) = (max(column, other.column), max(row, other.row))
    return Rectangle(
      column: left, row: top, columns: min(endColumn, other.endColumn) - left, rows: min(endRow, other.endRow) - top)
  }

  /// The first `count` rows, and the rest below them.
  package func splitTop(_ count: Int) -> (top: Rectangle, rest: Rectangle) {
    let taken = min(max(0, count), rows)
    return (
      Rectangle(column: column, row: row, columns: columns, rows: taken),
      Rectangle(column: column, row: row + taken, columns: columns, rows: rows - taken)
    )
  }

  /// The first `count` columns, and the rest to their right.
  package func splitLeft(_ count: Int) -> (left: Rectangle, rest: Rectangle) {
    let taken = min(max(0, count), columns)
    return (
      Rectangle(column: column, row: row, columns: taken, rows: rows),
      Rectangle(column: column + taken, row: row, columns: columns - taken, rows: rows)
    )
  }
}

/// One position of the screen.
package struct Cell: Equatable, Sendable {
  package var glyph: Glyph
  package var style: Style

  package static let blank = Cell(glyph: .space, style: .plain)
}

/// A screen in memory.
///
/// Every drawing call names the rectangle that it may touch and is clipped to it; a glyph that is two columns wide is
/// drawn whole or not at all, and overwriting one half blanks the other, so that no row is ever wider than the screen.
/// That other half is the one cell that may change outside of the rectangle.
package struct CellBuffer: Equatable, Sendable {
  package let size: Size
  private var cells: [Cell]

  package init(_ size: Size) {
    self.size = size
    cells = Array(repeating: .blank, count: size.columns * size.rows)
  }

  package var bounds: Rectangle { Rectangle(size) }

  /// The cell at a position of the buffer; outside of it, blank.
  package subscript(row: Int, column: Int) -> Cell {
    bounds.contains(row: row, column: column) ? cells[row * size.columns + column] : .blank
  }

  /// Draws one line of text; returns the column after it.
  @discardableResult
  package mutating func draw(
    _ text: TerminalText, row: Int, column: Int, style: Style = .plain, in area: Rectangle
  ) -> Int {
    var position = column
    for glyph in text.glyphs {
      if position >= area.endColumn { break }
      set(glyph, row: row, column: position, style: style, in: area)
      position += glyph.width
    }
    return position
  }

  /// Draws a line of text with styles; returns the column after it.
  @discardableResult
  package mutating func draw(_ text: StyledText, row: Int, column: Int, in area: Rectangle) -> Int {
    text.spans.reduce(column) { draw($1.text, row: row, column: $0, style: $1.style, in: area) }
  }

  /// Sets one position; nothing happens where the glyph does not fit whole into `area` and the buffer.
  package mutating func set(_ glyph: Glyph, row: Int, column: Int, style: Style = .plain, in area: Rectangle) {
    let clip = area.intersection(bounds)
    guard glyph.width > 0, clip.contains(row: row, column: column),
      clip.contains(row: row, column: column + glyph.width - 1)
    else { return }
    for offset in 0..<glyph.width { release(row: row, column: column + offset) }
    cells[row * size.columns + column] = Cell(glyph: glyph, style: style)
    for offset in 1..<max(1, glyph.width) {
      cells[row * size.columns + column + offset] = Cell(glyph: .continuation, style: style)
    }
  }

  /// Fills with spaces of a style.
  package mutating func fill(_ area: Rectangle, style: Style = .plain) {
    let clip = area.intersection(bounds)
    for row in clip.row..<max(clip.row, clip.endRow) {
      for column in clip.column..<max(clip.column, clip.endColumn) {
        set(.space, row: row, column: column, style: style, in: clip)
      }
    }
  }

  /// Gives a style to what stands there already.
  package mutating func restyle(_ area: Rectangle, _ change: (Style) -> Style) {
    let clip = area.intersection(bounds)
    for row in clip.row..<max(clip.row, clip.endRow) {
      for column in clip.column..<max(clip.column, clip.endColumn) {
        cells[row * size.columns + column].style = change(cells[row * size.columns + column].style)
      }
    }
  }

  /// The screen as lines of text without styles, trailing spaces cut: what golden tests compare.
  package var lines: [String] {
    (0..<size.rows).map { row in
      var line = (0..<size.columns).reduce(into: "") { $0 += self[row, $1].glyph.string }
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  /// Blanks the other half of a wide glyph that is about to lose this cell.
  private mutating func release(row: Int, column: Int) {
    let index = row * size.columns + column
    if cells[index].glyph == .continuation, column > 0 {
      cells[index - 1].glyph = .space
    } else if cells[index].glyph.width == 2, column + 1 < size.columns {
      cells[index + 1].glyph = .space
    }
    cells[index].glyph = .space
  }
}
