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

  @Test("a service can be chosen, and esc goes back")
  func narrowing() async {
    var model = await loaded()
    _ = model.handle(press(.enter))
    let narrowed = model.render(Size(columns: 100, rows: 40)).lines.joined(separator: "\n")
    #expect(narrowed.contains("service cart"))
    #expect(!narrowed.contains("POST /checkout"))
    _ = model.handle(press(.escape))
    #expect(model.render(Size(columns: 100, rows: 40)).lines.joined().contains("POST /checkout"))
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
    #expect(model.handle(.tick) == [.refresh])
    #expect(model.handle(.tick).isEmpty)
    _ = model.handle(.overview(await OverviewQuery().load(from: FixedSource(), now: FixedSource.now)))
    _ = model.handle(press(.character(" ")))
    #expect(model.handle(.tick).isEmpty)
    _ = model.handle(press(.character(" ")))
    #expect(model.handle(.tick) == [.refresh])
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
