/// What a terminal can show.
package enum ColorDepth: Equatable, Sendable {
  /// No escape at all: the output is not a terminal, or a dumb one.
  case plain
  /// Bold, underline and reverse, but no colour (`NO_COLOR`).
  case monochrome
  case sixteen
  case palette
  case truecolor

  /// What the environment tells.
  ///
  /// A set and non-empty `NO_COLOR` wins over all (no-color.org).
  package static func detect(environment: [String: String], isTerminal: Bool) -> ColorDepth {
    let term = environment["TERM"] ?? ""
    if !isTerminal || term.isEmpty || term == "dumb" { return .plain }
    if let noColor = environment["NO_COLOR"], !noColor.isEmpty { return .monochrome }
    if let depth = environment["COLORTERM"], depth == "truecolor" || depth == "24bit" { return .truecolor }
    let suffix = "256color"
    if term.utf8.count >= suffix.utf8.count, term.hasSuffix(suffix) { return .palette }
    return .sixteen
  }
}

extension Color {
  /// The entry of the 256-colour palette (6x6x6 cube and gray ramp) that is nearest to a direct colour.
  static func paletteIndex(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    let levels: [Int] = [0, 95, 135, 175, 215, 255]
    func nearest(_ value: UInt8) -> Int {
      levels.indices.min { abs(levels[$0] - Int(value)) < abs(levels[$1] - Int(value)) } ?? 0
    }
    let (r, g, b) = (nearest(red), nearest(green), nearest(blue))
    let cube = distance((levels[r], levels[g], levels[b]), red, green, blue)
    let average = (Int(red) + Int(green) + Int(blue)) / 3
    let step = min(23, max(0, (average - 3) / 10))
    let gray = 8 + 10 * step
    if distance((gray, gray, gray), red, green, blue) < cube { return UInt8(232 + step) }
    return UInt8(16 + 36 * r + 6 * g + b)
  }

  /// The nearest of the sixteen theme colours, taking xterm's defaults for what they look like.
  static func themeIndex(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    let theme: [(Int, Int, Int)] = [
      (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
      (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255),
      (255, 255, 255),
    ]
    let best = theme.indices.min {
      distance(theme[$0], red, green, blue) < distance(theme[$1], red, green, blue)
    }
    return UInt8(best ?? 7)
  }

  private static func distance(_ level: (Int, Int, Int), _ red: UInt8, _ green: UInt8, _ blue: UInt8) -> Int {
    let (r, g, b) = (level.0 - Int(red), level.1 - Int(green), level.2 - Int(blue))
    return r * r + g * g + b * b
  }
}
