/// The only place, beside ``InlineScreen``, that makes escape sequences, and it makes them from enums and numbers, never from data: what data
/// adds to the stream are glyphs that passed ``TerminalText``.
///
/// As a screen it keeps what it showed last and sends only the cells that differ, as one synchronised update. After a
/// glyph on whose width terminals may disagree it states the cursor's position anew, so that an error never spreads.
package struct TerminalWriter: Sendable {
  private let depth: ColorDepth
  private var shown: CellBuffer?

  package init(depth: ColorDepth) {
    self.depth = depth
  }

  /// The modes that a full-screen view switches on, and off again in ``leave``.
  package enum Mode: CaseIterable, Sendable {
    case alternateScreen, hiddenCursor, mouse, bracketedPaste

    var on: String {
      switch self {
      case .alternateScreen: "\u{1B}[?1049h\u{1B}[2J"
      case .hiddenCursor: "\u{1B}[?25l"
      case .mouse: "\u{1B}[?1000h\u{1B}[?1006h"
      case .bracketedPaste: "\u{1B}[?2004h"
      }
    }

    var off: String {
      switch self {
      case .alternateScreen: "\u{1B}[?1049l"
      case .hiddenCursor: "\u{1B}[?25h"
      case .mouse: "\u{1B}[?1006l\u{1B}[?1000l"
      case .bracketedPaste: "\u{1B}[?2004l"
      }
    }
  }

  /// Bytes that prepare a terminal for a full-screen view.
  package static func enter(_ modes: [Mode] = Mode.allCases) -> [UInt8] {
    modes.flatMap { Array($0.on.utf8) }
  }

  /// Bytes that undo ``enter``, also half-way through a frame: style and synchronised update are ended first.
  package static func leave(_ modes: [Mode] = Mode.allCases) -> [UInt8] {
    Array("\u{1B}[?2026l\u{1B}[0m".utf8) + modes.reversed().flatMap { Array($0.off.utf8) }
  }

  /// Forgets what the terminal shows, so that the next frame is sent whole.
  package mutating func invalidate() { shown = nil }

  /// The bytes that turn what the terminal shows into `next`; none when nothing differs.
  package mutating func frame(_ next: CellBuffer) -> [UInt8] {
    var out: [UInt8] = []
    let isFresh = shown?.size != next.size
    let previous = isFresh ? CellBuffer(next.size) : shown ?? CellBuffer(next.size)
    if isFresh { out += "\u{1B}[0m\u{1B}[2J".utf8 }
    var pen = Pen(depth: depth)
    var cursor: (row: Int, column: Int)?
    for row in 0..<next.size.rows {
      for column in 0..<next.size.columns {
        let cell = next[row, column]
        guard cell.glyph.width > 0, cell != previous[row, column] || isTorn(previous, next, row, column) else {
          continue
        }
        if cursor?.row != row || cursor?.column != column { Self.move(row, column, &out) }
        pen.set(cell.style, &out)
        out += cell.glyph.string.utf8
        cursor = Self.isCertain(cell.glyph) ? (row, column + cell.glyph.width) : nil
      }
    }
    shown = next
    guard !out.isEmpty else { return [] }
    pen.set(.plain, &out)
    return Array("\u{1B}[?2026h".utf8) + out + "\u{1B}[?2026l".utf8
  }

  /// A screen as lines for a plain stream: styles as far as `depth` allows, no cursor movement, trailing space cut.
  package static func lines(_ buffer: CellBuffer, depth: ColorDepth) -> String {
    (0..<buffer.size.rows).reduce(into: "") { result, row in
      var line = StyledText()
      var run = TerminalText.empty
      var style = Style.plain
      var last = buffer.size.columns
      while last > 0, buffer[row, last - 1] == .blank { last -= 1 }
      for column in 0..<last {
        let cell = buffer[row, column]
        guard cell.glyph.width > 0 else { continue }
        if cell.style != style {
          line.append(run, style)
          (run, style) = (.empty, cell.style)
        }
        run = run + TerminalText(cell.glyph)
      }
      line.append(run, style)
      result += Self.line(line, depth: depth) + "\n"
    }
  }

  /// One line for a plain stream, without its line end.
  package static func line(_ text: StyledText, depth: ColorDepth) -> String {
    var out: [UInt8] = []
    var pen = Pen(depth: depth)
    for span in text.spans {
      pen.set(span.style, &out)
      out += span.text.string.utf8
    }
    pen.set(.plain, &out)
    return String(decoding: out, as: UTF8.self)
  }

  /// Whether a wide glyph that was shown has lost its other half, so that the terminal may have blanked this one.
  private func isTorn(_ previous: CellBuffer, _ next: CellBuffer, _ row: Int, _ column: Int) -> Bool {
    let old = previous[row, column]
    if old.glyph.width == 2 { return next[row, column + 1] != previous[row, column + 1] }
    if column > 0, previous[row, column - 1].glyph.width == 2 { return true }
    return false
  }

  /// Whether every terminal gives this glyph the same width: ASCII, and the box, block and braille drawings.
  private static func isCertain(_ glyph: Glyph) -> Bool {
    let scalars = glyph.string.unicodeScalars
    guard let first = scalars.first, scalars.count == 1 else { return false }
    return first.value < 0x7F || (0x2500...0x259F).contains(first.value) || (0x2800...0x28FF).contains(first.value)
  }

  private static func move(_ row: Int, _ column: Int, _ out: inout [UInt8]) {
    out += "\u{1B}[\(row + 1);\(column + 1)H".utf8
  }
}

extension TerminalWriter {
  /// The style that the terminal is in, and the escapes to another.
  private struct Pen {
    let depth: ColorDepth
    private var style = Style.plain

    init(depth: ColorDepth) {
      self.depth = depth
    }

    mutating func set(_ next: Style, _ out: inout [UInt8]) {
      guard next != style, depth != .plain else { return }
      style = next
      var codes = ["0"]
      let names: [(Style.Attributes, String)] = [
        (.bold, "1"), (.dim, "2"), (.italic, "3"), (.underline, "4"), (.reverse, "7"),
      ]
      for (attribute, code) in names where next.attributes.contains(attribute) { codes.append(code) }
      if depth != .monochrome {
        codes += code(next.foreground, base: 30)
        codes += code(next.background, base: 40)
      }
      out += "\u{1B}[\(codes.joined(separator: ";"))m".utf8
    }

    private func code(_ color: Color, base: Int) -> [String] {
      switch color {
      case .standard: return []
      case .theme(let index): return [theme(index & 15, base: base)]
      case .rgb(let red, let green, let blue):
        switch depth {
        case .truecolor: return ["\(base + 8)", "2", "\(red)", "\(green)", "\(blue)"]
        case .palette: return ["\(base + 8)", "5", "\(Color.paletteIndex(red, green, blue))"]
        default: return [theme(Color.themeIndex(red, green, blue), base: base)]
        }
      }
    }

    private func theme(_ index: UInt8, base: Int) -> String {
      index < 8 ? "\(base + Int(index))" : "\(base + 52 + Int(index))"
    }
  }
}
