import NeedletailEnvironment
import NeedletailQueryLanguage

/// Keeps the syntax trees of queries that were asked lately: a dashboard asks the same texts again and again.
///
/// What was asked before the last `bytesMax` bytes of other texts may be forgotten, and what was before twice as many is.
final class ParsedQueries: Sendable {
  /// Longer texts are parsed each time.
  static let textBytesMax = 4 << 10
  /// A tree takes some ten times as much as its text, a hundred times where that is made of one-digit sums.
  static let bytesMax = 64 << 10

  /// A text by its bytes: as strings, two that only look the same are equal.
  private struct Text: Hashable {
    let text: String

    static func == (left: Text, right: Text) -> Bool {
      var (left, right) = (left.text, right.text)
      // Of the bytes as they lie there: through views of UTF-8 each costs a dozen instructions.
      return left.withUTF8 { left in right.withUTF8 { $0.count == left.count && $0.elementsEqual(left) } }
    }

    func hash(into hasher: inout Hasher) {
      var text = text
      text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
  }

  private struct State {
    var recent: [Text: Expression] = [:]
    var recentBytes = 0
    var older: [Text: Expression] = [:]

    mutating func keep(_ text: Text, _ expression: Expression) {
      let bytes = text.text.utf8.count
      if recentBytes + bytes > bytesMax { (older, recent, recentBytes) = (recent, [:], 0) }
      if recent.updateValue(expression, forKey: text) == nil { recentBytes += bytes }
    }

    mutating func find(_ text: Text) -> Expression? {
      if let known = recent[text] { return known }
      guard let known = older[text] else { return nil }
      keep(text, known)
      return known
    }
  }

  private let state = Lock(State())

  /// The syntax tree of a query.
  func expression(_ text: String) throws(SyntaxError) -> Expression {
    guard text.utf8.count <= Self.textBytesMax else { return try Parser.parse(text) }
    let key = Text(text: text)
    if let known = state.withLock({ $0.find(key) }) { return known }
    let expression = try Parser.parse(text)
    state.withLock { $0.keep(key, expression) }
    return expression
  }

  /// How many bytes of texts it keeps.
  var byteCount: Int {
    state.withLock { state in (Array(state.recent.keys) + state.older.keys).reduce(0) { $0 + $1.text.utf8.count } }
  }
}
