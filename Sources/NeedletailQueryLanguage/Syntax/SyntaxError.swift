/// Why a text is not a query: what was found, what was expected, and where.
package struct SyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong, in one sentence without its position.
  package let message: String
  /// The part of the text that is wrong.
  package let span: SourceSpan
  /// The line and column of the span's start.
  package let location: SourceLocation
  /// The query.
  package let text: String

  /// An error over a span of `text`.
  package init(_ message: String, span: SourceSpan, text: String) {
    self.message = message
    self.span = span
    self.text = text
    self.location = SourceLocation(offset: span.start, in: text)
  }

  /// `line:column: parse error: message`.
  package var description: String {
    "\(location.line):\(location.column): parse error: \(message)"
  }

  /// The message, then the line of the query with carets under the faulty part.
  package var rendered: String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let index = location.line - 1
    guard index < lines.count else { return description }
    let line = lines[index]
    var padding = ""
    for scalar in line.unicodeScalars.prefix(location.column - 1) {
      padding.unicodeScalars.append(scalar == "\t" ? "\t" : " ")
    }
    let rest = max(1, line.unicodeScalars.count - (location.column - 1))
    let width = min(rest, max(1, span.end - span.start))
    return "\(description)\n  \(line)\n  \(padding)\(String(repeating: "^", count: width))"
  }
}
