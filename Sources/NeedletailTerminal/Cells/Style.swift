/// A colour as a widget names it; the writer translates it to what the terminal has.
package enum Color: Equatable, Hashable, Sendable {
  /// The terminal's own foreground or background.
  case standard
  /// One of the sixteen colours that the user's theme defines, 0 to 15 (higher bits are ignored).
  case theme(UInt8)
  case rgb(UInt8, UInt8, UInt8)

  package static let red = Color.rgb(0xF0, 0x56, 0x5B)
  package static let orange = Color.rgb(0xF2, 0x9E, 0x4C)
  package static let yellow = Color.rgb(0xE8, 0xCB, 0x4A)
  package static let green = Color.rgb(0x6C, 0xC0, 0x6E)
  package static let cyan = Color.rgb(0x4F, 0xC1, 0xCF)
  package static let blue = Color.rgb(0x5B, 0x9D, 0xF5)
  package static let violet = Color.rgb(0xB1, 0x84, 0xF0)
  package static let gray = Color.rgb(0x8A, 0x8F, 0x98)

  /// Colours that tell series apart, in the order of use.
  package static let series: [Color] = [.blue, .orange, .green, .violet, .cyan, .yellow, .red, .gray]

  /// The series colour for the n-th series, cyclic.
  package static func ofSeries(_ index: Int) -> Color { series[abs(index % series.count)] }
}

/// How a cell looks.
package struct Style: Equatable, Hashable, Sendable {
  package struct Attributes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let bold = Attributes(rawValue: 1)
    package static let dim = Attributes(rawValue: 2)
    package static let italic = Attributes(rawValue: 4)
    package static let underline = Attributes(rawValue: 8)
    package static let reverse = Attributes(rawValue: 16)
  }

  package var foreground: Color
  package var background: Color
  package var attributes: Attributes

  package init(_ foreground: Color = .standard, on background: Color = .standard, _ attributes: Attributes = []) {
    self.foreground = foreground
    self.background = background
    self.attributes = attributes
  }

  package static let plain = Style()
  package static let bold = Style(.standard, .bold)
  package static let faint = Style(.gray)
  package static let heading = Style(.cyan, .bold)
  package static let error = Style(.red)
  package static let warning = Style(.yellow)

  /// The same with `attributes` added.
  package func with(_ attributes: Attributes) -> Style {
    Style(foreground, on: background, self.attributes.union(attributes))
  }

  package init(_ foreground: Color, _ attributes: Attributes) {
    self.init(foreground, on: .standard, attributes)
  }
}
