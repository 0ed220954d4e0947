/// A line of text in which parts have their own looks.
package struct StyledText: Equatable, Sendable {
  package struct Span: Equatable, Sendable {
    package var text: TerminalText
    package var style: Style

    package init(text: TerminalText, style: Style) {
      self.text = text
      self.style = style
    }
  }

  package private(set) var spans: [Span] = []

  package init() {}

  package init(_ text: TerminalText, _ style: Style = .plain) {
    append(text, style)
  }

  /// Columns that it takes.
  package var width: Int { spans.reduce(0) { $0 + $1.text.width } }

  package var string: String { spans.reduce(into: "") { $0 += $1.text.string } }

  package mutating func append(_ text: TerminalText, _ style: Style = .plain) {
    if !text.isEmpty { spans.append(Span(text: text, style: style)) }
  }

  package mutating func append(_ other: StyledText) { spans += other.spans }

  /// Cut to `columns`, with `…` where something is missing.
  package func abbreviated(to columns: Int) -> StyledText {
    guard width > columns else { return self }
    var result = StyledText()
    var left = max(0, columns)
    for span in spans where left > 0 {
      let isLast = span.text.width >= left
      let text = isLast ? (span.text + .ellipsis).abbreviated(to: left) : span.text
      result.append(text, span.style)
      left -= text.width
      if isLast { break }
    }
    return result
  }
}

extension StyledText: ExpressibleByStringInterpolation {
  package init(stringLiteral value: String) { self.init(TerminalText(value)) }
}
