/// What may stand at a place of a query that is still being written.
///
/// The language knows its own words; names and values of labels are for whoever has data to say, which
/// ``Want/metric``, ``Want/labelName(_:)`` and ``Want/labelValue(_:of:)`` ask for.
package struct Completion: Sendable, Hashable {
  /// Something that may stand there.
  package enum Want: Sendable, Hashable {
    /// A name of a metric.
    case metric
    /// A name of a label that what is selected has; nil where nothing is.
    case labelName(CompletionSelection?)
    /// A value of the label of this name.
    case labelValue(String, of: CompletionSelection)
    /// One of the language's words.
    case word(CompletionWord.Kind)
  }

  /// The bytes that a choice takes the place of.
  package var span: SourceSpan
  /// What a choice has to begin with: what is written already, without a quote.
  package var prefix: String
  /// What may stand there, the likeliest first.
  package var wants: [Want]
  /// The quote that the place lies behind; nil where a value is still to be quoted.
  package var quote: Character?
  /// Whether that quote ends right behind the place.
  package var isClosed = false

  /// What may stand at this byte of a text; nil where nothing can be told: in a comment, or behind what is no token.
  ///
  /// O(length of the text). Never fails: what is wrong with the text is for the parser to say.
  package static func at(_ offset: Int, in text: String) -> Completion? {
    let bytes = Array(text.utf8)
    guard (0...bytes.count).contains(offset), bytes.count <= Parser.textLengthMax else { return nil }
    // In the middle of a character nothing may stand.
    guard offset == bytes.count || bytes[offset] & 0xC0 != 0x80 else { return nil }
    let (before, after) = (String(decoding: bytes[..<offset], as: UTF8.self), bytes[offset...])
    var reader = CompletionReader()
    var lexer = Lexer(before)
    var last: Token?
    while true {
      let start = lexer.position
      guard let token = try? lexer.next() else {
        if let last { reader.take(last) }
        return reader.completionInString(lexer.bytes, from: start, after)
      }
      if token.kind == .end { break }
      if let last { reader.take(last) }
      last = token
    }
    guard !lexer.endsInComment else { return nil }
    guard let last else { return reader.completion(of: "", at: offset, after) }
    let word = before.utf8.count == last.span.end ? last.word(in: lexer.bytes) : nil
    guard let word else {
      reader.take(last)
      return reader.completion(of: "", at: offset, after)
    }
    return reader.completion(of: word, at: last.span.start, after)
  }

  /// The words of the language that may stand there and begin with what is written, in the order of the wants.
  package var words: [CompletionWord] {
    wants.flatMap { want -> [CompletionWord] in
      guard case .word(let kind) = want else { return [] }
      return CompletionWord.all(kind).filter { $0.text.hasPrefix(prefix.lowercased()) || $0.text.hasPrefix(prefix) }
    }
  }

  /// What a choice of a label's value is written as: quoted and escaped, as far as the place wants it.
  package func insertion(ofValue value: String) -> String {
    guard let quote else { return Printer.quoted(value) }
    let escaped: String
    switch quote {
    case "`": escaped = value
    case "'":
      escaped = String(Printer.quoted(value).dropFirst().dropLast())
        .replacing("\\\"", with: "\"").replacing("'", with: "\\'")
    default: escaped = String(Printer.quoted(value).dropFirst().dropLast())
    }
    return isClosed ? escaped : escaped + String(quote)
  }

  /// What a text that choices begin with is written as: escaped as far as the place wants it, without an end.
  package func insertion(ofBeginning text: String) -> String {
    var open = self
    open.isClosed = true
    return quote == nil ? text : open.insertion(ofValue: text)
  }

  /// What a choice of a label's or metric's name is written as: quoted where it is no word.
  package func insertion(ofName name: String, isMetric: Bool = false) -> String {
    if quote != nil { return insertion(ofValue: name) }
    if Printer.isWord(name, colons: isMetric) { return name }
    return isMetric ? "{" + Printer.quoted(name) + "}" : Printer.quoted(name)
  }
}

/// What a selector around or near a place selects, as far as it is written.
package struct CompletionSelection: Sendable, Hashable {
  /// What is selected.
  package enum Kind: Sendable, Hashable {
    case series, logs, spans
  }

  /// What is selected.
  package var kind = Kind.series
  /// The metric's name.
  package var metric: String?
  /// The other conditions, in the order in which they are written.
  package var matchers: [Matcher] = []

  /// A condition on a label.
  package struct Matcher: Sendable, Hashable {
    package var name: String
    /// `=`, `!=`, `=~` or `!~`.
    package var operation: String
    package var value: String
  }

  /// The selection as `match[]` takes it, without the conditions on one label, whose values are asked for; nil where
  /// nothing is left that selects something.
  package func selector(besides label: String? = nil) -> String? {
    var parts: [String] = []
    if let metric, label != "__name__" { parts.append("__name__=" + Printer.quoted(metric)) }
    for matcher in matchers where matcher.name != label {
      let name = Printer.isWord(matcher.name, colons: false) ? matcher.name : Printer.quoted(matcher.name)
      parts.append(name + matcher.operation + Printer.quoted(matcher.value))
    }
    return parts.isEmpty ? nil : "{" + parts.joined(separator: ", ") + "}"
  }
}

extension Token {
  /// The text of a token that may still be growing: a word, a number or a duration.
  fileprivate func word(in bytes: [UInt8]) -> String? {
    switch kind {
    case .identifier, .number, .duration: String(decoding: bytes[span.start..<span.end], as: UTF8.self)
    default: nil
    }
  }
}

extension Lexer {
  /// Whether the text ends in a comment.
  fileprivate var endsInComment: Bool {
    let line = bytes.lastIndex(of: UInt8(ascii: "\n")).map { bytes[($0 + 1)...] } ?? bytes[...]
    var quote: UInt8?
    for byte in line {
      if let open = quote {
        if byte == open { quote = nil }
      } else if byte == UInt8(ascii: "#") {
        return true
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "`") {
        quote = byte
      }
    }
    return false
  }
}
