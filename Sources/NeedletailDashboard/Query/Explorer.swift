import NeedletailTerminal

/// The screen on which a query is written and its series are seen, asked again as time goes on.
struct Explorer: Sendable {
  /// What a query yielded, over the dashboard's window.
  struct Answer: Sendable {
    var query: String
    var series: [SeriesResult]
    /// Unix seconds.
    var start: Double
    var end: Double
    var step: Double
    var coverage: AnswerCoverage?
  }

  var editor = QueryEditor(keepsLine: true)
  /// The query that was asked last.
  private(set) var query: String?
  private(set) var answer: Answer?
  private(set) var problem: TerminalText?
  private(set) var isAwaiting = false

  /// Takes an event; what is to be done, nil where the screen is to be left.
  mutating func handle(_ input: InputEvent) -> [DashboardModel.Action]? {
    var actions: [DashboardModel.Action] = []
    switch editor.handle(input) {
    case .submitted(let text) where !text.allSatisfy(\.isWhitespace):
      query = text
      (problem, isAwaiting) = (nil, true)
      actions.append(.explore(text))
    case .ended: return [.quit]
    case .ignored:
      if case .key(.escape, _) = input { return nil }
    case .submitted, .changed, .cancelled: break
    }
    return actions + editor.takeQuestions().map { .complete($0) }
  }

  /// The query that is to be asked again, if none is on its way.
  mutating func refresh() -> [DashboardModel.Action] {
    guard let query, !isAwaiting else { return [] }
    isAwaiting = true
    return [.explore(query)]
  }

  mutating func take(_ new: Answer) {
    guard new.query == query else { return }
    (answer, problem, isAwaiting) = (new, nil, false)
  }

  mutating func take(problem message: String, of asked: String) {
    guard asked == query else { return }
    (problem, isAwaiting) = (TerminalText(message, limit: 300), false)
  }
}
