import NeedletailTerminal

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The dashboard on a terminal: the thin shell that performs what ``DashboardModel`` decides.
package struct Dashboard<Source: DashboardSource>: Sendable {
  private let source: Source
  private let query: OverviewQuery
  private let server: String
  private let zone: TimeText.Zone
  private let depth: ColorDepth
  private let refresh: Duration
  private let now: @Sendable () -> Int64

  /// - Parameters:
  ///   - server: what the title calls the server.
  ///   - refresh: how long to wait between two rounds of questions.
  ///   - now: unix nanoseconds.
  package init(
    source: Source, query: OverviewQuery = OverviewQuery(), server: String, zone: TimeText.Zone, depth: ColorDepth,
    refresh: Duration = .seconds(2), now: @escaping @Sendable () -> Int64
  ) {
    self.source = source
    self.query = query
    self.server = server
    self.zone = zone
    self.depth = depth
    self.refresh = refresh
    self.now = now
  }

  /// One frame as text, for a pipe; with the problems that the server told of, if any.
  package func once(_ size: Size) async -> (frame: String, problems: [String]) {
    var model = DashboardModel(server: server, zone: zone)
    let overview = await query.load(from: source, now: now())
    _ = model.handle(.overview(overview))
    return (TerminalWriter.lines(model.render(size), depth: depth), overview.problems)
  }

  /// Runs until the user quits.
  ///
  /// Throws ``TerminalError`` when there is no terminal.
  package func run() async throws {
    let session = try TerminalSession()
    defer { session.end() }
    let (events, sink) = AsyncStream<DashboardModel.Event>.makeStream(bufferingPolicy: .bufferingNewest(1 << 16))
    await withDiscardingTaskGroup { group in
      group.addTask {
        for await input in session.events { sink.yield(.input(input)) }
        sink.yield(.input(.terminate))
      }
      group.addTask {
        while !Task.isCancelled {
          sink.yield(.tick)
          try? await Task.sleep(for: refresh)
        }
      }
      await loop(session, events, sink, &group)
      group.cancelAll()
    }
  }

  private func loop(
    _ session: TerminalSession, _ events: AsyncStream<DashboardModel.Event>,
    _ sink: AsyncStream<DashboardModel.Event>.Continuation,
    _ group: inout DiscardingTaskGroup
  ) async {
    var model = DashboardModel(server: server, zone: zone)
    var writer = TerminalWriter(depth: depth)
    for await event in events {
      for action in model.handle(event) {
        switch action {
        case .quit: return
        case .suspend:
          session.suspend()
          writer.invalidate()
        case .refresh(let service):
          group.addTask { sink.yield(.overview(await query.load(from: source, now: now(), service: service))) }
        case .openTrace(let id): group.addTask { sink.yield(await load(id)) }
        case .explore(let text): group.addTask { sink.yield(await explore(text)) }
        case .complete(let question):
          group.addTask { sink.yield(.completed(question, (try? await source.answers(to: question)) ?? [])) }
        }
      }
      TerminalSession.write(writer.frame(model.render(TerminalSession.size)))
    }
  }

  private func explore(_ text: String) async -> DashboardModel.Event {
    let end = Double(now()) / 1e9
    let step = max(1, (query.window / 200).rounded())
    let start = end - query.window
    let notes = CoverageNotes()
    do {
      let series = try await source.telling(notes.note).range(text, start: start, end: end, step: step)
      return .explored(
        query: text, series: series, start: start, end: end, step: step, coverage: notes.coverage)
    } catch {
      return .unexplored(query: text, problem: "\(error)")
    }
  }

  private func load(_ id: String) async -> DashboardModel.Event {
    let notes = CoverageNotes()
    let source = source.telling(notes.note)
    do {
      let trace = try await source.trace(id)
      // Half a minute to either side: clocks differ, and some records are written after the span has ended.
      let margin: Int64 = 30_000_000_000
      let logs = try await source.logs(
        "{trace_id=\"\(trace.id)\"}", start: trace.start &- margin, end: trace.end &+ margin, limit: 200)
      return .trace(trace, logs: logs, coverage: notes.coverage)
    } catch {
      return .failed("\(error)")
    }
  }
}
