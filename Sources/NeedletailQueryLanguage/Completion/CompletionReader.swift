// A query that is being written is mostly no query yet, so the parser is of no use: this reads the tokens up to the place
// and keeps only what tells what may follow: which brackets are open, whether an operand or an operator is due, and what
// is selected.

/// Reads tokens, and tells what may follow them.
struct CompletionReader {
  /// What a bracket that is open holds.
  private enum Frame {
    /// An expression or the arguments of a call.
    case group(callee: String?)
    /// The labels of `by (...)` and its kin; whether an operand is due behind them.
    case labels(thenOperand: Bool)
    /// The conditions of a selector.
    case selector(SelectorReader)
    /// A range.
    case range
  }

  /// What is due where no bracket tells.
  private enum Due {
    case operand
    /// An operand, right behind an operator of two.
    case operandOfOperator
    case operation
    case labels
    case duration
    case moment
    case stage
  }

  private var frames: [Frame] = []
  private var due = Due.operand
  /// What was due when a list of labels was announced.
  private var dueAfterLabels = Due.operand
  /// The last operand, where it is a name: of a metric or, if a bracket follows, of a function.
  private var name: Token?
  /// Whether an aggregation, or its arguments, stand right before the place: `by` may follow.
  private var isBehindAggregation = false
  private var isInEvents = false
  private(set) var firstSelection: CompletionSelection?
  private var lastSelection: CompletionSelection?

  // MARK: Reading

  /// Takes the next token.
  mutating func take(_ token: Token) {
    switch frames.last {
    case .selector(var selector):
      frames.removeLast()
      if token.kind == .rightBrace {
        selector.end()
        note(selector.selection)
        isInEvents = selector.selection.kind != .series
        due = .operation
      } else {
        selector.take(token)
        frames.append(.selector(selector))
      }
    case .range where token.kind == .rightBracket: (_, due) = (frames.removeLast(), .operation)
    case .range: break
    case .labels(let thenOperand):
      guard token.kind == .rightParenthesis else { return }
      (_, due) = (frames.removeLast(), thenOperand ? .operandOfOperator : .operation)
    case .group, nil: takeInExpression(token)
    }
  }

  private mutating func takeInExpression(_ token: Token) {
    let before = name
    name = nil
    if let before, token.kind != .leftParenthesis, token.kind != .leftBrace, !Self.isCallable(before.text) {
      note(CompletionSelection(metric: before.text))
    }
    let wasBehindAggregation = isBehindAggregation
    isBehindAggregation = false
    switch token.kind {
    case .identifier: takeWord(token, wasBehindAggregation)
    case .leftParenthesis: open(before)
    case .rightParenthesis:
      let frame = frames.popLast()
      due = .operation
      if case .group(let callee?) = frame {
        isBehindAggregation = Self.isAggregation(callee)
        // What templates are for.
        if callee == "with" { due = .operand }
      }
    case .leftBrace: frames.append(.selector(SelectorReader(before?.text)))
    case .leftBracket: frames.append(.range)
    // A template's name stands before `=`.
    case .comma, .assign: due = .operand
    case .string, .number, .duration, .quantity: due = .operation
    case .at: due = .moment
    case .pipe: due = .stage
    case .minus where due != .operation, .plus where due != .operation: break
    case .plus, .minus, .star, .slash, .percent, .caret, .equal, .notEqual, .less, .lessOrEqual, .greater,
      .greaterOrEqual, .trimUpper, .trimLower, .matches, .pipeEqual, .pipeMatches:
      due = .operandOfOperator
    default: due = .operation
    }
  }

  private mutating func open(_ before: Token?) {
    if due == .labels {
      frames.append(.labels(thenOperand: dueAfterLabels != .operation))
    } else {
      frames.append(.group(callee: before?.text.lowercased()))
      due = .operand
    }
  }

  private mutating func takeWord(_ token: Token, _ wasBehindAggregation: Bool) {
    let word = token.text.lowercased()
    switch (due, word) {
    case (.operation, "by"), (.operation, "without"):
      if wasBehindAggregation {
        // `sum by (...)` wants its arguments next, `sum(...) by (...)` is done.
        (due, dueAfterLabels) = (.labels, .operation)
      }
    case (.operandOfOperator, "on"), (.operandOfOperator, "ignoring"), (.operandOfOperator, "group_left"),
      (.operandOfOperator, "group_right"):
      (due, dueAfterLabels) = (.labels, .operandOfOperator)
    case (.operandOfOperator, "bool"): break
    case (.operation, "offset"): due = .duration
    case (.operation, _) where CompletionWord.isOperator(word): due = .operandOfOperator
    case (.operation, _), (.stage, _): due = .operation
    default:
      name = token
      isBehindAggregation = Self.isAggregation(word)
      due = .operation
    }
  }

  private mutating func note(_ selection: CompletionSelection) {
    if firstSelection == nil { firstSelection = selection }
    lastSelection = selection
  }

  private static func isAggregation(_ word: String) -> Bool { AggregationOperation(rawValue: word) != nil }

  private static func isCallable(_ word: String) -> Bool {
    isAggregation(word.lowercased()) || Function(rawValue: word) != nil
  }

  // MARK: Telling

  /// What may stand in place of a word that begins at `start` and of what of it lies behind the place.
  func completion(of prefix: String, at start: Int, _ after: ArraySlice<UInt8>) -> Completion? {
    let rest = after.prefix { $0.isIdentifierPart }
    let span = SourceSpan(start: start, end: start + prefix.utf8.count + rest.count)
    let wants = wants(after)
    return wants.isEmpty ? nil : Completion(span: span, prefix: prefix, wants: wants)
  }

  /// What may stand in a string that begins at `start` and does not end; nil where no string begins there.
  func completionInString(_ bytes: [UInt8], from start: Int, _ after: ArraySlice<UInt8>) -> Completion? {
    let blanks = bytes[start...].prefix { $0 == 32 || $0 == 9 || $0 == 10 || $0 == 13 }.count
    let open = start + blanks
    guard open < bytes.count, bytes[open] == 0x22 || bytes[open] == 0x27 || bytes[open] == 0x60 else { return nil }
    let written = String(decoding: bytes[(open + 1)...], as: UTF8.self)
    let wants = wantsInString(after)
    guard !wants.isEmpty else { return nil }
    return Completion(
      span: SourceSpan(start: open + 1, end: bytes.count), prefix: written, wants: wants,
      quote: Character(Unicode.Scalar(bytes[open])), isClosed: after.first == bytes[open])
  }

  /// Of what may stand there what is written in quotes; strings that functions take mostly name labels.
  private func wantsInString(_ after: ArraySlice<UInt8>) -> [Completion.Want] {
    if case .group(let callee) = frames.last ?? .group(callee: nil) {
      guard let function = callee.flatMap(Function.init(rawValue:)), function.signature.parameters.contains(.string)
      else { return [] }
      return [.labelName(lastSelection)]
    }
    return wants(after, isInString: true).filter { if case .word = $0 { false } else { true } }
  }

  private func wants(_ after: ArraySlice<UInt8>, isInString: Bool = false) -> [Completion.Want] {
    switch frames.last {
    case .selector(let selector):
      // Outside of quotes only labels are named.
      return isInString ? selector.wants : selector.wants.filter { $0 != .metric }
    case .labels: return [.labelName(lastSelection ?? Self.selection(in: after))]
    case .range: return [.word(.duration)]
    case .group, nil: break
    }
    switch due {
    case .operand: return [.word(.function), .word(.aggregation), .metric]
    case .operandOfOperator: return [.metric, .word(.function), .word(.aggregation), .word(.matching)]
    case .operation:
      return (isBehindAggregation ? [.word(.grouping)] : []) + [.word(.operation)]
        + (isInEvents ? [] : [.word(.modifier)])
    case .labels: return []
    case .duration: return [.word(.duration)]
    case .moment: return [.word(.moment)]
    case .stage: return [.word(.stage)]
    }
  }

  /// The first thing that is selected behind the place: `sum by (|) (rate(x[5m]))` groups what has the labels of `x`.
  private static func selection(in after: ArraySlice<UInt8>) -> CompletionSelection? {
    var lexer = Lexer(String(decoding: after, as: UTF8.self))
    var reader = CompletionReader()
    reader.frames = [.labels(thenOperand: true)]
    while reader.firstSelection == nil, let token = try? lexer.next() {
      reader.take(token)
      if token.kind == .end { break }
    }
    return reader.firstSelection
  }
}
