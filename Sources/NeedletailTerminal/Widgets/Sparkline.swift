/// A row of eight-step bars, one a value, the newest at the right.
package struct Sparkline: Sendable {
  package let values: [Double]

  package init(_ values: [Double]) {
    self.values = values
  }

  private static let steps: [TerminalText] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
  private static let gap: TerminalText = " "

  /// The last `columns` values (more are averaged in groups), scaled from zero to their maximum; a gap where there is
  /// no finite value.
  package func text(columns: Int) -> TerminalText {
    guard columns > 0 else { return .empty }
    let shown = resampled(to: columns)
    let top = shown.filter(\.isFinite).max() ?? 0
    let pads = Self.gap.repeated(columns - shown.count)
    return shown.reduce(pads) { text, value in
      guard value.isFinite else { return text + Self.gap }
      let share = top > 0 ? min(1, max(0, value / top)) : 0
      return text + Self.steps[min(7, Int(share * 7.999))]
    }
  }

  private func resampled(to columns: Int) -> [Double] {
    guard values.count > columns else { return values }
    return (0..<columns).map { index in
      let group = values[(index * values.count / columns)..<((index + 1) * values.count / columns)]
      let finite = group.filter(\.isFinite)
      return finite.isEmpty ? .nan : finite.reduce(0, +) / Double(finite.count)
    }
  }
}

/// A horizontal bar with steps of an eighth of a column.
package enum Bar {
  private static let eighths: [TerminalText] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
  private static let full: TerminalText = "█"

  /// A bar that fills `fraction` (cut to 0...1) of `columns`; without the empty rest.
  package static func text(fraction: Double, columns: Int) -> TerminalText {
    guard fraction > 0, columns > 0 else { return .empty }
    let total = min(columns * 8, max(1, Int((min(1, fraction) * Double(columns * 8)).rounded())))
    return full.repeated(total / 8) + eighths[total % 8]
  }
}
