import NeedletailQueryLanguage
import NeedletailTerminal

/// A line in which a query is written, with what may stand at the cursor below it: a plain value that is told of keys and
/// of answers, for the command line's prompt and the dashboard.
package struct QueryEditor: Sendable {
  /// What an event came to.
  package enum Outcome: Equatable, Sendable {
    /// It is to be drawn anew.
    case changed
    /// This query is to be asked.
    case submitted(String)
    /// The line is given up.
    case cancelled
    /// Nothing more will be written.
    case ended
    case ignored
  }

  private static let rows = 8
  private static let rememberedMax = 64

  private var line: LineEditor
  /// Whether a query stays in the line when it is asked.
  private let keepsLine: Bool
  private var choices: [QueryChoice] = []
  private var selection: Int?
  /// Whether the choices were asked for, with nothing written yet of any.
  private var isAsked = false
  private var isDismissed = false
  private var answers: [CompletionQuestion: [String]] = [:]
  /// Questions in the order in which they were answered, the oldest to be forgotten first.
  private var answered: [CompletionQuestion] = []
  private var asked: Set<CompletionQuestion> = []
  private var open: [CompletionQuestion] = []

  /// An empty line after these queries.
  package init(history: [String] = [], keepsLine: Bool = false) {
    line = LineEditor(history: history)
    self.keepsLine = keepsLine
  }

  /// The earlier queries, the oldest first.
  package var history: [String] { line.history }

  package var text: String { line.text }

  /// Takes an event.
  package mutating func handle(_ event: InputEvent) -> Outcome {
    if case .key(let key, let modifiers) = event, let outcome = choose(key, modifiers) { return outcome }
    switch line.handle(event) {
    case .changed:
      (isDismissed, isAsked) = (false, false)
      update()
      return .changed
    case .submitted:
      let query = line.text
      line.commit(keepingText: keepsLine)
      reset()
      return .submitted(query)
    case .cancelled:
      line.clear()
      reset()
      return .cancelled
    case .ended: return .ended
    case .ignored: return .ignored
    }
  }

  /// The questions that came up since the last call.
  package mutating func takeQuestions() -> [CompletionQuestion] {
    defer { open = [] }
    return open
  }

  /// Takes the answers to a question, sorted; none where there was no answer.
  package mutating func take(_ texts: [String], to question: CompletionQuestion) {
    asked.remove(question)
    if answers.updateValue(Array(texts.prefix(CompletionQuestion.answersMax)), forKey: question) == nil {
      answered.append(question)
    }
    if answered.count > Self.rememberedMax { answers[answered.removeFirst()] = nil }
    update()
  }

  // MARK: Choices

  private mutating func reset() {
    (choices, selection, isAsked, isDismissed) = ([], nil, false, false)
  }

  /// What a key does to the list; nil where it is for the line.
  private mutating func choose(_ key: InputEvent.Key, _ modifiers: InputEvent.Modifiers) -> Outcome? {
    switch key {
    case .tab where modifiers.contains(.shift): return move(by: -1)
    case .tab: return complete()
    case .down where !choices.isEmpty: return move(by: 1)
    case .up where selection != nil: return move(by: -1)
    case .enter:
      guard let selection else { return nil }
      accept(choices[selection])
      return .changed
    case .escape where !choices.isEmpty:
      reset()
      isDismissed = true
      return .changed
    default: return nil
    }
  }

  private mutating func move(by step: Int) -> Outcome {
    guard !choices.isEmpty else { return .ignored }
    let next = (selection ?? (step > 0 ? -1 : choices.count)) + step
    selection = (next + choices.count) % choices.count
    return .changed
  }

  /// As far as all choices agree; else the next one.
  private mutating func complete() -> Outcome {
    if choices.isEmpty {
      (isAsked, isDismissed) = (true, false)
      update()
    }
    guard selection == nil, let completion else { return move(by: 1) }
    // Those that only have within what is written are not meant by a word that is begun.
    let begun = choices.filter { $0.title.hasPrefix(completion.prefix) }
    if begun.count == 1 || choices.count == 1 {
      accept(begun.first ?? choices[0])
      return .changed
    }
    let common = begun.dropFirst().reduce(begun.first?.title ?? "") { $0.commonPrefix(with: $1.title) }
    if common.count > completion.prefix.count, common.hasPrefix(completion.prefix) {
      line.replace(completion.span.start..<completion.span.end, with: completion.insertion(ofBeginning: common))
      update()
      return .changed
    }
    return move(by: 1)
  }

  private mutating func accept(_ choice: QueryChoice) {
    guard let completion else { return }
    line.replace(completion.span.start..<completion.span.end, with: choice.insertion)
    reset()
    update()
  }

  private var completion: Completion? { Completion.at(line.offset, in: line.text) }

  /// Finds the choices at the cursor anew; the selected one stays selected.
  private mutating func update() {
    let selected = selection.map { choices[$0] }
    (choices, selection) = ([], nil)
    guard !isDismissed, let completion, isAsked || !completion.prefix.isEmpty || completion.isWithinSelector else {
      return
    }
    var missing: [CompletionQuestion] = []
    choices = QueryChoice.all(at: completion) { question in
      if let known = known(question) { return known }
      missing.append(question)
      return []
    }
    for question in missing where asked.insert(question).inserted { open.append(question) }
    if let selected { selection = choices.firstIndex(of: selected) }
  }

  /// What is known of a question; of one that begins with less, if that has all.
  private func known(_ question: CompletionQuestion) -> [String]? {
    if let found = answers[question] { return found }
    var question = question
    while let shorter = question.shortened {
      if let found = answers[shorter], found.count < CompletionQuestion.answersMax { return found }
      question = shorter
    }
    return nil
  }

  // MARK: Rendering

  /// The line behind a prompt and the choices below it, and where the cursor is in them.
  package func render(
    prompt: StyledText, columns: Int
  ) -> (lines: [StyledText], cursor: (row: Int, column: Int)) {
    let wrapped = self.wrapped(prompt: prompt, columns: columns)
    let list = QueryChoice.lines(choices, selection: selection, rows: Self.rows, columns: columns)
    return (wrapped.lines + list, wrapped.cursor)
  }

  /// The line behind a prompt alone, as it stays when it is done.
  package func lines(prompt: StyledText, columns: Int) -> [StyledText] {
    wrapped(prompt: prompt, columns: columns).lines
  }

  private func wrapped(prompt: StyledText, columns: Int) -> WrappedLine {
    let offset = line.offset
    var spans: [StyledText.Span] = []
    var (start, cursor) = (0, 0)
    for (text, style) in QueryColors.spans(of: line.text) {
      let bytes = Array(text.utf8)
      let cut = min(max(offset - start, 0), bytes.count)
      for part in [bytes[..<cut], bytes[cut...]] where !part.isEmpty {
        spans.append(StyledText.Span(text: TerminalText(utf8: part), style: style))
      }
      start += bytes.count
      if start <= offset { cursor = spans.count } else if start - bytes.count < offset { cursor = spans.count - 1 }
    }
    return WrappedLine(prompt: prompt, spans, cursorBefore: cursor, columns: columns)
  }
}

extension Completion {
  /// Whether labels or their values are due, of which there are few enough to be shown unasked.
  fileprivate var isWithinSelector: Bool {
    wants.contains { want in
      switch want {
      case .labelName, .labelValue: true
      case .metric, .word: false
      }
    }
  }
}

extension CompletionQuestion {
  /// The question for what begins with one character less; nil where all is asked for.
  fileprivate var shortened: CompletionQuestion? {
    switch self {
    case .metrics(let beginning): beginning.isEmpty ? nil : .metrics(beginning: String(beginning.dropLast()))
    case .labelNames: nil
    case .labelValues(let name, let selector, let beginning, let kind):
      beginning.isEmpty
        ? nil : .labelValues(of: name, selector: selector, beginning: String(beginning.dropLast()), kind: kind)
    }
  }
}

extension String {
  fileprivate func commonPrefix(with other: String) -> String {
    String(zip(self, other).prefix { $0 == $1 }.map(\.0))
  }
}
