import NeedletailTerminal

/// What the dashboard shows and how it answers keys: a plain value, told of events and giving back what is to be done,
/// so that every screen and every key can be tested without a terminal or a server.
package struct DashboardModel: Sendable {
  package enum Event: Sendable {
    case input(InputEvent)
    /// It is time to ask again, if nothing is paused.
    case tick
    case overview(Overview)
    case trace(Trace, logs: [LogLine], coverage: AnswerCoverage? = nil)
    /// A trace could not be had.
    case failed(String)
    /// What a query yielded over the window; times and step in unix seconds.
    case explored(
      query: String, series: [SeriesResult], start: Double, end: Double, step: Double, coverage: AnswerCoverage? = nil)
    /// A query could not be answered.
    case unexplored(query: String, problem: String)
    /// What a completion asked; nothing where nobody could tell.
    case completed(CompletionQuestion, [String])
  }

  package enum Action: Equatable, Sendable {
    /// Ask for the overview, narrowed to a service where one is named.
    case refresh(service: String?)
    case openTrace(String)
    /// Ask a query over the window.
    case explore(String)
    case complete(CompletionQuestion)
    case suspend
    case quit
  }

  enum Panel: Int, CaseIterable, Sendable {
    case services, traces, logs
  }

  struct OpenTrace: Sendable {
    var trace: Trace
    var logs: [LogLine]
    var coverage: AnswerCoverage?
    var selection = 0
  }

  let zone: TimeText.Zone
  /// Shown in the title.
  let server: TerminalText
  var overview: Overview?
  var panel = Panel.services
  /// The selected row of each panel.
  var selection: [Panel: Int] = [:]
  /// The service to which graphs, traces and logs are narrowed.
  var service: String?
  var openTrace: OpenTrace?
  /// Kept when its screen is left, to go on with.
  var explorer = Explorer()
  var showsExplorer = false
  var notice: TerminalText?
  var isPaused = false
  var showsHelp = false
  /// Overviews that were asked for and have not come.
  private var awaited = 0
  /// Whether the user asked, so that the answer is shown also while the screen is paused.
  private var isWanted = false
  /// Traces and logs of all services, to go back to.
  private var whole: Overview?

  package init(server: String, zone: TimeText.Zone) {
    self.server = TerminalText(server, limit: 60)
    self.zone = zone
  }

  /// Takes an event and tells what is to be done.
  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .input(let input): return handle(input)
    case .tick where showsExplorer: return isPaused ? [] : explorer.refresh()
    case .tick:
      guard !isPaused, awaited == 0 else { return [] }
      awaited += 1
      return [.refresh(service: service)]
    case .overview(let new):
      awaited = max(0, awaited - 1)
      show(new)
      return []
    case .trace(let trace, let logs, let coverage):
      notice = nil
      openTrace = OpenTrace(trace: trace, logs: logs, coverage: coverage)
      if let first = trace.tree.firstIndex(where: { $0.span.isError }) { openTrace?.selection = first }
      return []
    case .failed(let message):
      notice = TerminalText(message, limit: 300)
      return []
    case .explored(let query, let series, let start, let end, let step, let coverage):
      explorer.take(
        Explorer.Answer(query: query, series: series, start: start, end: end, step: step, coverage: coverage))
      return []
    case .unexplored(let query, let problem):
      explorer.take(problem: problem, of: query)
      return []
    case .completed(let question, let texts):
      explorer.editor.take(texts, to: question)
      return explorer.editor.takeQuestions().map { .complete($0) }
    }
  }

  private mutating func show(_ new: Overview) {
    // What was asked before another service was chosen is of no use any more.
    guard new.service == service, !isPaused || isWanted || overview == nil else { return }
    isWanted = false
    overview = new
    if service == nil { whole = new }
    Panel.allCases.forEach { move($0, by: 0) }
  }

  private mutating func ask() -> [Action] {
    awaited += 1
    isWanted = true
    return [.refresh(service: service)]
  }

  private mutating func handle(_ input: InputEvent) -> [Action] {
    switch input {
    case .terminate, .interrupt: return [.quit]
    case .key(.character("z"), .control): return [.suspend]
    case .key(.character("c"), .control) where showsExplorer && explorer.editor.text.isEmpty: return [.quit]
    case _ where showsExplorer:
      if let actions = explorer.handle(input) { return actions }
      showsExplorer = false
      return []
    case .resize, .paste: return []
    case .mouse(.scrollUp, _, _): return act(.up)
    case .mouse(.scrollDown, _, _): return act(.down)
    case .mouse: return []
    case .key(let key, let modifiers):
      if let command = Command(key, modifiers) { return act(command) }
      showsHelp = false
      return []
    }
  }

  private enum Command {
    case up, down, first, last, pageUp, pageDown, next, previous, open, back, pause, help, quit, suspend, refresh,
      explore

    init?(_ key: InputEvent.Key, _ modifiers: InputEvent.Modifiers) {
      switch (key, modifiers.contains(.control)) {
      case (.character("c"), true), (.character("q"), false): self = .quit
      case (.character("z"), true): self = .suspend
      case (.up, _), (.character("k"), false): self = .up
      case (.down, _), (.character("j"), false): self = .down
      case (.left, _), (.character("h"), false): self = .previous
      case (.right, _), (.character("l"), false): self = .next
      case (.home, _), (.character("g"), false): self = .first
      case (.end, _), (.character("G"), false): self = .last
      case (.pageUp, _): self = .pageUp
      case (.pageDown, _): self = .pageDown
      case (.tab, _): self = modifiers.contains(.shift) ? .previous : .next
      case (.enter, _): self = .open
      case (.escape, _), (.backspace, _): self = .back
      case (.character(" "), false): self = .pause
      case (.character("?"), _): self = .help
      case (.character("r"), false): self = .refresh
      case (.character("e"), false), (.character(":"), false): self = .explore
      default: return nil
      }
    }
  }

  private mutating func act(_ command: Command) -> [Action] {
    if showsHelp && command != .quit && command != .suspend {
      showsHelp = false
      return []
    }
    switch command {
    case .quit: return [.quit]
    case .suspend: return [.suspend]
    case .help: showsHelp = true
    case .pause: isPaused.toggle()
    case .refresh: return ask()
    case .explore:
      showsExplorer = true
      return explorer.refresh()
    case .up: moveSelection(by: -1)
    case .down: moveSelection(by: 1)
    case .pageUp: moveSelection(by: -10)
    case .pageDown: moveSelection(by: 10)
    case .first: moveSelection(by: -100_000)
    case .last: moveSelection(by: 100_000)
    case .next: focus(by: 1)
    case .previous: focus(by: -1)
    case .open: return open()
    case .back: return back()
    }
    return []
  }

  private mutating func back() -> [Action] {
    notice = nil
    if openTrace != nil {
      openTrace = nil
    } else if service != nil {
      service = nil
      panel = .services
      if let whole {
        overview?.service = nil
        overview?.traces = whole.traces
        overview?.failedTraces = whole.failedTraces
        overview?.logs = whole.logs
      }
      return ask()
    }
    return []
  }

  private mutating func open() -> [Action] {
    guard openTrace == nil else { return [] }
    let index = selection[panel] ?? 0
    switch panel {
    case .services:
      guard let services = overview?.services, services.indices.contains(index) else { return [] }
      service = services[index].name
      panel = .traces
      selection[.traces] = 0
      selection[.logs] = 0
      return ask()
    case .traces:
      guard traces.indices.contains(index) else { return [] }
      return opening(traces[index].id)
    case .logs:
      guard logs.indices.contains(index) else { return [] }
      guard let id = logs[index].traceID, !id.isEmpty else {
        notice = "this log record belongs to no trace"
        return []
      }
      return opening(id)
    }
  }

  private mutating func opening(_ id: String) -> [Action] {
    notice = TerminalText("asking for trace \(id) ...", limit: 200)
    return [.openTrace(id)]
  }

  private mutating func focus(by step: Int) {
    let count = Panel.allCases.count
    panel = Panel(rawValue: (panel.rawValue + step + count) % count) ?? .services
  }

  private mutating func moveSelection(by step: Int) {
    guard let trace = openTrace else { return move(panel, by: step) }
    openTrace?.selection = min(max(0, trace.selection + step), max(0, trace.trace.spans.count - 1))
  }

  private mutating func move(_ panel: Panel, by step: Int) {
    let count =
      switch panel {
      case .services: overview?.services.count ?? 0
      case .traces: traces.count
      case .logs: logs.count
      }
    selection[panel] = min(max(0, (selection[panel] ?? 0) + step), max(0, count - 1))
  }

  /// How whole that is what is on the screen; nil where there is no cluster.
  var coverage: AnswerCoverage? {
    showsExplorer ? explorer.answer?.coverage : openTrace.map { $0.coverage } ?? overview?.coverage
  }

  /// The traces that are listed: as they were asked for; until the answer about a service that was just chosen has come,
  /// those of all that are known to touch it.
  var traces: [TraceSummary] {
    guard let overview else { return [] }
    guard let service, overview.service != service else { return overview.traces }
    return overview.traces.filter {
      Self.isJob(service, ofService: $0.rootService) || Self.isJob(service, ofService: $0.failedService)
    }
  }

  /// The logs that are listed, as the traces are.
  var logs: [LogLine] {
    guard let overview else { return [] }
    guard let service, overview.service != service else { return overview.logs }
    return overview.logs.filter { $0.labels["job"] == service || Self.isJob(service, ofService: $0.service) }
  }

  /// Whether the label `job` names this service: it is made from `service.namespace` and `service.name` with a slash
  /// between them, where there is a namespace.
  private static func isJob(_ job: String, ofService service: String) -> Bool {
    job == service || (!service.isEmpty && job.hasSuffix("/" + service))
  }
}
