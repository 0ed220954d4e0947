import NeedletailDashboard
import NeedletailTerminal
import NeedletailTestSupport
import Testing

@Suite("The dashboard")
struct DashboardTests {
  private func loaded(_ source: FixedSource = FixedSource()) async -> DashboardModel {
    var model = DashboardModel(server: "http://127.0.0.1:7070", zone: .utc)
    _ = model.handle(.overview(await OverviewQuery().load(from: source, now: FixedSource.now)))
    return model
  }

  private func press(_ key: InputEvent.Key) -> DashboardModel.Event { .input(.key(key, [])) }

  @Test(
    "shows rate, errors and latency of each service, graphs, traces and error logs", arguments: [(100, 30), (80, 24)])
  func overview(columns: Int, rows: Int) async throws {
    let model = await loaded()
    try expectGolden(framed(model.render(Size(columns: columns, rows: rows))), "overview-\(columns)x\(rows)")
  }

  @Test("shows a trace with the span that failed and the logs of the trace")
  func traceScreen() async throws {
    var model = await loaded()
    let logs = try await FixedSource().logs("", start: 0, end: 0, limit: 10)
    #expect(model.handle(.trace(FixedSource.trace, logs: logs)).isEmpty)
    try expectGolden(framed(model.render(Size(columns: 90, rows: 20))), "trace")
    _ = model.handle(press(.escape))
    #expect(model.render(Size(columns: 90, rows: 20)).lines.joined().contains("traces: errors"))
  }

  @Test("opens the chosen trace, and the trace of the chosen log")
  func drillDown() async {
    var model = await loaded()
    _ = model.handle(press(.tab))
    #expect(model.handle(press(.enter)) == [.openTrace(FixedSource.traceID)])
    _ = model.handle(press(.tab))
    _ = model.handle(press(.down))
    #expect(model.handle(press(.enter)) == [.openTrace(FixedSource.traceID)])
  }

  @Test("a query is written with completions, asked again as time goes on, and kept while its screen is left")
  func exploring() async throws {
    var model = await loaded()
    let source = FixedSource()
    func screen() -> String { framed(model.render(Size(columns: 90, rows: 22))) }
    func type(_ text: String) async throws -> [DashboardModel.Action] {
      var left: [DashboardModel.Action] = []
      for scalar in text.unicodeScalars {
        let key: InputEvent.Key = scalar == "\r" ? .enter : scalar == "\t" ? .tab : .character(scalar)
        for action in model.handle(press(key)) {
          guard case .complete(let question) = action else {
            left.append(action)
            continue
          }
          left += model.handle(.completed(question, try await source.answers(to: question)))
        }
      }
      return left
    }
    #expect(try await type("e").isEmpty)
    #expect(screen().contains("tab completes"))
    #expect(try await type("sum by (job) (rate(http").isEmpty)
    try expectGolden(screen(), "explore-completion")
    #expect(try await type("\t[5m]))\r") == [.explore("sum by (job) (rate(http_requests_total[5m]))")])
    #expect(model.handle(.tick).isEmpty)
    let query = "sum by (job) (rate(http_requests_total[5m]))"
    let end = Double(FixedSource.now) / 1e9
    let series = try await source.range(query, start: end - 900, end: end, step: 5)
    _ = model.handle(.explored(query: query, series: series, start: end - 900, end: end, step: 5))
    try expectGolden(screen(), "explore")
    let histogram = SeriesResult(
      labels: [("job", "cart")], points: [], histograms: [HistogramPoint(time: end, count: 1, sum: 1, buckets: [])])
    func take(_ series: [SeriesResult]) {
      _ = model.handle(.explored(query: query, series: series, start: end - 900, end: end, step: 5))
    }
    take([histogram])
    #expect(screen().contains("native histograms, of which there is no graph"))
    take(series + [histogram])
    #expect(screen().contains("1 more series"))
    take(series)
    #expect(model.handle(.tick) == [.explore(query)])
    _ = model.handle(.unexplored(query: "another", problem: "old"))
    #expect(!screen().contains("old"))
    _ = model.handle(.unexplored(query: query, problem: "1:3: parse error"))
    #expect(screen().contains("1:3: parse error") && model.handle(.tick) == [.explore(query)])
    _ = model.handle(press(.escape))
    #expect(screen().contains("services"))
    _ = try await type("e")
    #expect(screen().contains("query> sum by (job)"))
  }

  @Test("a chosen service's traces are all that touch it, wherever they begin, and esc goes back")
  func narrowing() async throws {
    var model = await loaded()
    #expect(model.handle(press(.enter)) == [.refresh(service: "cart")])
    func text() -> String { model.render(Size(columns: 110, rows: 40)).lines.joined(separator: "\n") }
    // Until the answer has come, what is known to touch the service is shown, and what is not is not.
    #expect(text().contains("service cart") && !text().contains("POST /checkout"))
    // The answer to what was asked before is none to this.
    _ = model.handle(.overview(await OverviewQuery().load(from: FixedSource(), now: FixedSource.now)))
    #expect(!text().contains("POST /checkout"))
    _ = model.handle(.overview(await OverviewQuery().load(from: FixedSource(), now: FixedSource.now, service: "cart")))
    try expectGolden(framed(model.render(Size(columns: 110, rows: 26))), "narrowed")
    #expect(model.handle(press(.enter)) == [.openTrace(FixedSource.cartTraceID)])
    #expect(model.handle(.tick) == [.refresh(service: "cart")])
    #expect(model.handle(press(.escape)) == [.refresh(service: nil)])
    #expect(text().contains("POST /checkout") && !text().contains("service cart"))
  }

  @Test("what the user asks for is shown while the screen is paused too")
  func pausedNarrowing() async {
    var model = await loaded()
    _ = model.handle(press(.character(" ")))
    #expect(model.handle(press(.enter)) == [.refresh(service: "cart")])
    let answer = await OverviewQuery().load(from: FixedSource(), now: FixedSource.now, service: "cart")
    _ = model.handle(.overview(answer))
    #expect(model.render(Size(columns: 110, rows: 40)).lines.joined().contains(FixedSource.cartTraceID))
    #expect(model.handle(.tick).isEmpty)
  }

  @Test("the name of a service stays a text in the questions, whatever it holds")
  func quoting() async {
    let source = RecordingSource()
    _ = await OverviewQuery().load(from: source, now: FixedSource.now, service: "a\"} or {b\\\n")
    let quoted = #"job="a\"} or {b\\\n""#
    #expect(source.asked.contains("{level=~\"error|fatal\", \(quoted)}"))
    #expect(source.asked.contains("\(quoted) status=error") && source.asked.contains(quoted))
  }

  @Test("without request metrics the figures are those of spans, and the screen says so")
  func spansOnly() async throws {
    let model = await loaded(FixedSource(hasNoMetrics: true))
    let lines = model.render(Size(columns: 110, rows: 40)).lines
    #expect(lines[1].contains("as their spans tell: no http_server_request_duration_seconds"))
    #expect(lines.contains { $0.contains("payment") && $0.contains("0.833%") })
  }

  @Test("where there is nothing, the screen says what it looked for and what to do")
  func nothing() async throws {
    let model = await loaded(FixedSource(isEmpty: true))
    let text = model.render(Size(columns: 110, rows: 24)).lines.joined(separator: "\n")
    #expect(text.contains("no http_server_request_duration_seconds, and no spans of kind server or consumer"))
    #expect(text.contains("OTLP port"))
  }

  @Test("a service that has gone silent has no requests now, whatever it did before") func silence() async throws {
    var source = FixedSource()
    source.silent = ("cart", since: 60)
    let overview = await OverviewQuery().load(from: source, now: FixedSource.now)
    let cart = try #require(overview.services.first { $0.name == "cart" })
    let frontend = try #require(overview.services.first { $0.name == "frontend" })
    #expect(cart.rateNow == 0 && cart.errors == 0 && cart.p95.isNaN && !cart.rate.isEmpty)
    #expect(frontend.rateNow > 0 && frontend.p95.isFinite)
  }

  @Test("asks once at a time, and not at all while it is paused")
  func pausing() async {
    var model = await loaded()
    #expect(model.handle(.tick) == [.refresh(service: nil)])
    #expect(model.handle(.tick).isEmpty)
    _ = model.handle(.overview(await OverviewQuery().load(from: FixedSource(), now: FixedSource.now)))
    _ = model.handle(press(.character(" ")))
    #expect(model.handle(.tick).isEmpty)
    _ = model.handle(press(.character(" ")))
    #expect(model.handle(.tick) == [.refresh(service: nil)])
  }

  @Test("quits on q, ctrl-c and when the process is asked to end")
  func quitting() async {
    var model = await loaded()
    #expect(model.handle(press(.character("q"))) == [.quit])
    #expect(model.handle(.input(.key(.character("c"), .control))) == [.quit])
    #expect(model.handle(.input(.terminate)) == [.quit])
    #expect(model.handle(.input(.paste("q"))).isEmpty)
  }

  @Test("tells what is wrong when the server cannot be reached")
  func unreachable() async {
    let model = await loaded(FixedSource(isDown: true))
    #expect(model.render(Size(columns: 80, rows: 24)).lines.last == "cannot reach the server")
  }

  @Test("how whole the answers of a cluster are stands in the title, of all together, and what lacks is warned of")
  func coverage() async {
    let whole = "slots=1024/1024 replicas=2/3 partial=false windows=490123.."
    let size = Size(columns: 120, rows: 24)
    var model = await loaded(FixedSource(coverage: (whole, whole)))
    #expect(
      model.render(size).lines.first?.contains("1024 of 1024 slots whole, each read from at least 2 of 3 replicas ")
        == true)
    #expect(model.render(size).lines.last?.contains("q quit") == true)
    model = await loaded(FixedSource(coverage: (whole, "slots=512/1024 replicas=1/3 partial=true")))
    #expect(
      model.render(size).lines.first?.contains(
        "512 of 1024 slots whole, each read from at least 1 of 3 replicas: incomplete") == true)
    #expect(model.render(size).lines.last?.hasPrefix("incomplete: not all that is stored could be read") == true)
    // Another screen has an answer of its own.
    _ = model.handle(.trace(FixedSource.trace, logs: [], coverage: AnswerCoverage(header: whole)))
    #expect(model.render(size).lines.first?.contains("1024 of 1024") == true)
    _ = model.handle(press(.character("e")))
    #expect(model.render(size).lines.first?.contains("slots") == false)
    let coverage = AnswerCoverage(header: "slots=0/8 replicas=0/3 partial=true")
    _ = model.handle(.input(.paste("up")))
    _ = model.handle(press(.enter))
    _ = model.handle(.explored(query: "up", series: [], start: 0, end: 1, step: 1, coverage: coverage))
    #expect(model.render(size).lines.first?.contains("0 of 8 slots") == true)
  }

  @Test("the hours that an answer is of are told where there is room, of several answers all, and an open end is not")
  func coverageWindow() async throws {
    let one = "slots=8/8 replicas=2/3 partial=false windows=490123..490124"
    var coverage = try #require(AnswerCoverage(header: one))
    let read = try #require(coverage.window(.utc))
    #expect(read.hasPrefix("from ") && read.contains(" until "))
    let model = await loaded(FixedSource(coverage: (one, one)))
    #expect(model.render(Size(columns: 200, rows: 24)).lines.first?.contains(read) == true)
    #expect(model.render(Size(columns: 120, rows: 24)).lines.first?.contains("until") == false)
    coverage.merge(try #require(AnswerCoverage(header: "slots=8/8 replicas=2/3 partial=false windows=490100..490124")))
    #expect(coverage.window(.utc) != read && coverage.window(.utc)?.hasSuffix(String(read.suffix(20))) == true)
    coverage.merge(try #require(AnswerCoverage(header: "slots=8/8 replicas=2/3 partial=false windows=490123..")))
    #expect(coverage.window(.utc)?.contains("until") == false)
    for header in [
      "", " windows=..", " windows=a..b", " windows=9223372036854775807..9223372036854775807", " windows=1",
    ] {
      #expect(AnswerCoverage(header: "slots=8/8 replicas=2/3 partial=false" + header)?.window(.utc) == nil, "\(header)")
    }
  }

  @Test(
    "a header that is none of coverage says nothing",
    arguments: [
      "", "slots=1/2", "slots=1/2 replicas=x/3 partial=false", "slots=3/2 replicas=1/3 partial=false",
      "slots=-1/2 replicas=1/3 partial=false", "slots=1/2/3 replicas=1/3 partial=false", "slots=1/2 replicas=1/3",
    ])
  func malformedCoverage(header: String) {
    #expect(AnswerCoverage(header: header) == nil)
  }

  @Test("closes the help on any key, and does nothing else then")
  func help() async {
    var model = await loaded()
    let before = model.render(Size(columns: 80, rows: 24)).lines
    for key: InputEvent.Key in [.character("x"), .escape, .down, .enter, .character(" "), .character("?")] {
      _ = model.handle(press(.character("?")))
      #expect(model.render(Size(columns: 80, rows: 24)).lines != before)
      #expect(model.handle(press(key)).isEmpty)
      #expect(model.render(Size(columns: 80, rows: 24)).lines == before)
    }
  }

  @Test("survives any size of window and any keys")
  func anySize() async {
    var model = await loaded()
    let keys: [InputEvent.Key] = [
      .down, .up, .tab, .enter, .escape, .pageDown, .pageUp, .home, .end, .character("?"), .character("G"), .left,
    ]
    for columns in [0, 1, 2, 3, 7, 20, 79, 300] {
      for rows in [0, 1, 2, 3, 5, 9, 24, 100] {
        for key in keys {
          _ = model.handle(press(key))
          let buffer = model.render(Size(columns: columns, rows: rows))
          #expect(buffer.size == Size(columns: columns, rows: rows))
        }
        _ = model.handle(.trace(FixedSource.trace, logs: []))
      }
    }
  }

  @Test("prints one frame for a pipe, without escapes")
  func once() async {
    let dashboard = Dashboard(source: FixedSource(), server: "x", zone: .utc, depth: .plain, now: { FixedSource.now })
    let (frame, problems) = await dashboard.once(Size(columns: 80, rows: 24))
    #expect(problems.isEmpty)
    #expect(frame.contains("payment") && !frame.contains("\u{1B}"))
  }
}

@Suite("Traces")
struct TraceTests {
  private func span(_ id: String, _ parent: String, _ start: Int64 = 0) -> TraceSpan {
    TraceSpan(id: id, parent: parent, service: "s", name: id, start: start, end: start + 1)
  }

  @Test("are ordered as a tree: parents first, children by start, orphans as roots")
  func order() {
    let trace = Trace(id: "t", spans: [span("c", "a", 5), span("b", "a", 3), span("a", "", 1), span("x", "gone", 2)])
    #expect(trace.tree.map(\.span.id) == ["a", "b", "c", "x"])
    #expect(trace.tree.map(\.depth) == [0, 1, 1, 0])
  }

  @Test("count their spans as one counts")
  func counting() {
    #expect(Trace(id: "t", spans: [span("a", "")]).spanCount == "1 span")
    #expect(Trace(id: "t", spans: [span("a", ""), span("b", "a")]).spanCount == "2 spans")
  }

  @Test("lose no span to cycles, duplicates or great depth")
  func hostile() {
    let cycle = [span("a", "b"), span("b", "a"), span("c", "c"), span("a", "b")]
    #expect(Trace(id: "t", spans: cycle).tree.count == 4)
    let chain = (0..<20_000).map { span("\($0)", $0 == 0 ? "" : "\($0 - 1)", Int64($0)) }
    #expect(Trace(id: "t", spans: chain).tree.last?.depth == 19_999)
    #expect(
      Trace(id: "t", spans: [TraceSpan(id: "a", parent: "", service: "", name: "", start: .min, end: .max)]).duration
        == .max)
  }
}

@Suite("Instants as text")
struct TimeTextTests {
  @Test(
    "are RFC 3339 over the whole range of 64 bits",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (1_700_000_000_123_000_000, "2023-11-14T22:13:20.123Z"),
      (-1, "1969-12-31T23:59:59.999Z"), (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
      (.max, "2262-04-11T23:47:16.854Z"), (.min, "1677-09-21T00:12:43.145Z"),
    ] as [(Int64, String)])
  func full(nanoseconds: Int64, expected: String) {
    #expect(TimeText.full(nanoseconds: nanoseconds, .utc) == expected)
  }
}
