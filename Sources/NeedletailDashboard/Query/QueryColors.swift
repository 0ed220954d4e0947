import NeedletailQueryLanguage
import NeedletailTerminal

/// The looks of a query's parts.
enum QueryColors {
  /// A text in parts, one behind the other; what is no token yet, and all behind it, is plain.
  static func spans(of text: String) -> [(text: String, style: Style)] {
    let bytes = Array(text.utf8)
    var spans: [(String, Style)] = []
    var end = 0
    for token in tokens(text) where token.kind != .end {
      append(bytes[end..<token.span.start], .faint, to: &spans)
      append(bytes[token.span.start..<token.span.end], style(token), to: &spans)
      end = token.span.end
    }
    append(bytes[end...], .plain, to: &spans)
    return spans
  }

  private static func tokens(_ text: String) -> [Token] {
    var lexer = Lexer(text)
    do throws(SyntaxError) {
      return try lexer.tokens()
    } catch {
      var lexer = Lexer(String(decoding: Array(text.utf8).prefix(error.span.start), as: UTF8.self))
      return (try? lexer.tokens()) ?? []
    }
  }

  private static func append(_ bytes: ArraySlice<UInt8>, _ style: Style, to spans: inout [(String, Style)]) {
    if !bytes.isEmpty { spans.append((String(decoding: bytes, as: UTF8.self), style)) }
  }

  private static func style(_ token: Token) -> Style {
    switch token.kind {
    case .string: Style(.green)
    case .number, .duration, .quantity: Style(.orange)
    case .identifier:
      if words.contains(token.text.lowercased()) {
        Style(.violet)
      } else if callables.contains(token.text.lowercased()) {
        Style(.cyan)
      } else {
        .plain
      }
    default: .faint
    }
  }

  private static let words = Set(
    [CompletionWord.Kind.matching, .grouping, .operation, .modifier].flatMap { CompletionWord.all($0) }.map(\.text))
  private static let callables = Set(
    (CompletionWord.all(.function) + CompletionWord.all(.aggregation)).map(\.text))
}
