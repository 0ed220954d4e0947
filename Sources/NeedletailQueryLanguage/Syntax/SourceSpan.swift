/// Where a node or token stands in the query's text: a half-open range of UTF-8 byte offsets.
package struct SourceSpan: Sendable, Hashable {
  /// Offset of the first byte.
  package var start: Int
  /// Offset after the last byte.
  package var end: Int

  /// A span from `start` up to, not including, `end`.
  package init(start: Int, end: Int) {
    self.start = start
    self.end = end
  }

  /// The smallest span that covers both.
  package func union(_ other: SourceSpan) -> SourceSpan {
    SourceSpan(start: min(start, other.start), end: max(end, other.end))
  }
}

/// A line and a column, both counted from 1; columns count Unicode scalars.
package struct SourceLocation: Sendable, Hashable {
  /// The line, from 1.
  package var line: Int
  /// The column, from 1.
  package var column: Int

  /// The location of a byte offset in a text.
  ///
  /// An offset past the end is taken as the end.
  package init(offset: Int, in text: String) {
    var line = 1
    var column = 1
    var position = 0
    for scalar in text.unicodeScalars {
      if position >= offset { break }
      position += UTF8.width(scalar)
      if scalar == "\n" {
        line += 1
        column = 1
      } else {
        column += 1
      }
    }
    self.line = line
    self.column = column
  }
}
