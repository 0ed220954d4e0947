import NeedletailDashboard
import NeedletailTerminal

/// `needletail query` without an expression: a line to write queries in, with completions, and their answers below.
struct QueryPrompt: Sendable {
  private enum Event: Sendable {
    case input(InputEvent)
    case answers([String], CompletionQuestion)
    /// The query that ran is done.
    case done
  }

  /// Asks a query and prints what comes of it.
  let ask: @Sendable (String) async throws -> Void
  let source: APIClient
  let history: QueryHistory

  private static let typedMax = 1 << 16
  private static let prompt = StyledText("needletail> ", .heading)

  /// Runs until the user ends it.
  ///
  /// Throws ``TerminalError`` when there is no terminal.
  func run() async throws {
    let session = try TerminalSession([.bracketedPaste])
    defer { session.end() }
    let (events, sink) = AsyncStream<Event>.makeStream(bufferingPolicy: .bufferingNewest(1 << 16))
    await withDiscardingTaskGroup { group in
      group.addTask {
        for await input in session.events { sink.yield(.input(input)) }
        sink.yield(.input(.terminate))
      }
      await loop(session, events, sink, &group)
      group.cancelAll()
    }
  }

  private func loop(
    _ session: TerminalSession, _ events: AsyncStream<Event>, _ sink: AsyncStream<Event>.Continuation,
    _ group: inout DiscardingTaskGroup
  ) async {
    var editor = QueryEditor(history: history.load())
    var screen = InlineScreen(depth: Console.depth)
    var running: Task<Void, Never>?
    // Whether to end when the query that runs is given up.
    var isEnding = false
    // What is typed while a query runs.
    var typed: [InputEvent] = []
    draw(editor, &screen)
    for await event in events {
      switch event {
      case .done:
        running = nil
        if isEnding { return }
        session.resume()
        for input in typed { sink.yield(.input(input)) }
        typed = []
      case .input(.interrupt) where running != nil: running?.cancel()
      case .input(.terminate) where running != nil:
        isEnding = true
        running?.cancel()
      case .input(let input) where running != nil:
        if typed.count < Self.typedMax { typed.append(input) }
        continue
      case .answers(let texts, let question): editor.take(texts, to: question)
      case .input(.key(.character("z"), .control)):
        TerminalSession.write(screen.finish(editor.lines(prompt: Self.prompt, columns: columns)))
        session.suspend()
      case .input(let input):
        let lines = editor.lines(prompt: Self.prompt, columns: columns)
        switch editor.handle(input) {
        case .submitted(let query):
          TerminalSession.write(screen.finish(lines))
          history.store(editor.history)
          if Self.isEnd(query) { return }
          if !query.allSatisfy(\.isWhitespace) { running = begin(query, session, sink) }
        case .cancelled: TerminalSession.write(screen.finish(lines))
        case .ended:
          TerminalSession.write(screen.finish(lines))
          return
        case .changed, .ignored: break
        }
      }
      for question in editor.takeQuestions() {
        group.addTask { sink.yield(.answers((try? await source.answers(to: question)) ?? [], question)) }
      }
      if running == nil { draw(editor, &screen) }
    }
  }

  /// Asks a query, with the terminal as it was before the prompt, so that Ctrl-C ends it.
  private func begin(
    _ query: String, _ session: TerminalSession, _ sink: AsyncStream<Event>.Continuation
  ) -> Task<Void, Never> {
    session.pause()
    return Task {
      do {
        try await ask(query)
      } catch is CancellationError {
        Console.complain("given up", prefix: "")
      } catch {
        let message = "\(error)"
        if let place = ErrorPlace(in: message), place.line == 1 {
          Console.complain(String(repeating: " ", count: Self.prompt.width + place.offset(in: query)) + "^", prefix: "")
        }
        Console.complain(message)
      }
      sink.yield(.done)
    }
  }

  private var columns: Int { TerminalSession.size.columns }

  private func draw(_ editor: QueryEditor, _ screen: inout InlineScreen) {
    let (lines, cursor) = editor.render(prompt: Self.prompt, columns: columns)
    TerminalSession.write(screen.frame(lines, cursor: cursor))
  }

  private static func isEnd(_ query: String) -> Bool { ["exit", "quit", "\\q"].contains(query) }
}
