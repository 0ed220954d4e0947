import Foundation
import NeedletailDashboard
import NeedletailTerminal
import Testing

@testable import NeedletailCLI

@Suite("What the command line prints")
struct OutputTests {
  private static let cases: [(CSV.Field, String)] = [
    (CSV.Field.text("plain"), "plain"), (.text("a,b"), "\"a,b\""), (.text("say \"hi\""), "\"say \"\"hi\"\"\""),
    (.text("two\nlines"), "\"two\nlines\""), (.text("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\""),
    (.text("+1"), "\"'+1\""),
    (.text("-x"), "\"'-x\""), (.text("@sum"), "\"'@sum\""), (.text("\tx"), "\"'\tx\""), (.number(-2.5), "-2.5"),
    (.number(.nan), "NaN"), (.number(-.infinity), "-Inf"), (.number(5), "5"),
    (.integer(.min), "-9223372036854775808"),
    (.text(""), ""),
  ]

  @Test(
    "CSV quotes what must be quoted, and text never becomes a formula",
    arguments: cases)
  func csv(field: CSV.Field, expected: String) {
    #expect(CSV.text(field) == expected)
  }

  private let series = [
    SeriesResult(
      labels: [("__name__", "up"), ("job", "=evil")], points: [.init(time: 0, value: 1), .init(time: 60, value: .nan)]),
    SeriesResult(labels: [("__name__", "up"), ("zone", "b\u{1B}[2J")], points: [.init(time: 0, value: -2.5)]),
  ]

  @Test("series as CSV have a column for every label")
  func seriesCSV() {
    #expect(
      SeriesOutput(series: series, zone: .utc).csv() == """
        time,__name__,job,zone,value
        1970-01-01T00:00:00.000Z,up,"'=evil",,1
        1970-01-01T00:01:00.000Z,up,"'=evil",,NaN
        1970-01-01T00:00:00.000Z,up,,b\u{1B}[2J,-2.5

        """)
  }

  @Test("series as a table fit the width and hold no control characters")
  func seriesTable() {
    let output = SeriesOutput(series: series, zone: .utc)
    for isRange in [true, false] {
      let lines = output.table(isRange: isRange, columns: 70)
      #expect(lines.count == 3)
      #expect(lines.allSatisfy { $0.width <= 70 && !$0.string.contains("\u{1B}") })
    }
    #expect(output.table(isRange: false, columns: 70)[1].string.contains("up{job=\"=evil\"}"))
  }

  private static let histogram = HistogramPoint(
    time: 60, count: 3.5, sum: -0.0,
    buckets: [
      .init(lower: -0.0009765625, upper: 0.0009765625, includesLower: true, includesUpper: true, count: 1),
      .init(lower: 1, upper: 1.0905077326652577, includesLower: false, includesUpper: true, count: 2.5),
    ])

  @Test("native histograms stand in tables and CSV as Prometheus writes them, cut only where a screen ends")
  func histograms() {
    let result = SeriesResult(
      labels: [("__name__", "latency")], points: [.init(time: 0, value: 1)], histograms: [Self.histogram])
    let output = SeriesOutput(series: [result], isMatrix: true, zone: .utc)
    let whole = "{count:3.5, sum:-0, [-0.0009765625,0.0009765625]:1, (1,1.0905077326652577]:2.5}"
    #expect(output.table(isRange: false, columns: nil)[1].string == "latency  " + whole)
    #expect(
      output.table(isRange: false, columns: 60)[1].string
        == "latency  {count:3.5, sum:-0, [-0.000976563,0.000976563]:1, …")
    #expect(output.table(isRange: true, columns: nil)[1].string.hasPrefix("latency  \(whole)    1    1    1 "))
    #expect(output.table(isRange: true, columns: 80).allSatisfy { $0.width <= 80 })
    #expect(
      output.samples(columns: nil).map(\.string) == [
        "SERIES   TIME                      VALUE",
        "latency  1970-01-01T00:00:00.000Z  1",
        "latency  1970-01-01T00:01:00.000Z  \(whole)",
      ])
    #expect(output.csv().hasSuffix("\n1970-01-01T00:01:00.000Z,latency,\"\(whole)\"\n"))
    let undrawn = SeriesResult(labels: [("a", "b")], points: [], histograms: [Self.histogram])
    let graph = SeriesOutput(series: [undrawn, result], zone: .utc)
      .graph(range: (0, 60_000_000_000), step: 1, size: Size(columns: 60, rows: 8), depth: .plain)
    #expect(graph.contains("■ latency  1") && !graph.contains("{a="))
  }

  @Test("all samples of a range vector are shown, a line each, and signs of zero too")
  func samples() {
    let lines = SeriesOutput(series: series, isMatrix: true, zone: .utc).samples(columns: nil).map(\.string)
    #expect(
      lines == [
        "SERIES               TIME                      VALUE",
        "up{job=\"=evil\"}      1970-01-01T00:00:00.000Z      1",
        "up{job=\"=evil\"}      1970-01-01T00:01:00.000Z    NaN",
        "up{zone=\"b\\x1b[2J\"}  1970-01-01T00:00:00.000Z   -2.5",
      ])
    let zero = SeriesResult(labels: [], points: [.init(time: 0, value: -0.0)])
    let table = SeriesOutput(series: [zero], zone: .utc)
    #expect(table.table(isRange: false, columns: nil)[1].string.hasSuffix("  -0"))
    #expect(table.table(isRange: false, columns: 80)[1].string.hasSuffix("  -0"))
  }

  @Test("the place of an error is shown below the line of the query that it lies in")
  func place() {
    #expect(ErrorPlace(in: "answered 400: it is wrong") == nil && ErrorPlace(in: "1:0: parse error") == nil)
    func pointer(_ query: String, _ place: String, _ columns: Int = 100) -> [String] {
      ErrorPlace(in: "/q answered 400: \(place): parse error: x")?.pointer(into: query, columns: columns) ?? []
    }
    #expect(pointer("sum((", "1:6") == ["sum((", "     ^"])
    #expect(pointer("sum(\n  漢字 +\u{1B})", "2:7") == ["  漢字 +␛)", "        ^"])
    #expect(pointer("up", "7:3") == ["", "^"] && pointer("up", "1:900") == ["up", "  ^"])
    let long = String(repeating: "a", count: 200) + "!" + String(repeating: "b", count: 200)
    let cut = pointer(long, "1:201", 60)
    #expect(cut[0].hasPrefix("…a") && cut[0].hasSuffix("b…") && cut[0].count <= 56)
    #expect(Array(cut[0])[cut[1].count - 1] == "!")
  }

  @Test("without a limit, as in a pipe, nothing is cut and nothing is rounded")
  func whole() {
    let long = String(repeating: "x", count: 3_000)
    let result = SeriesResult(labels: [("a", long)], points: [.init(time: 0, value: 0.123456789)])
    let table = SeriesOutput(series: [result], zone: .utc).table(isRange: false, columns: nil)
    #expect(table[1].string == "{a=\"\(long)\"}  0.123456789")
    let screen = SeriesOutput(series: [result], zone: .utc).table(isRange: false, columns: 40)
    #expect(screen[1].width == 40 && screen[1].string.hasSuffix("…  0.123457"))
    let fields = Dictionary(uniqueKeysWithValues: (0..<30).map { ("f\($0)", long) })
    let log = LogLine(time: 0, labels: fields, body: long)
    let line = EventOutput.logs([log], zone: .utc, now: 0, isWhole: true)[0].string
    #expect(line.utf8.count > 31 * 3_000 && !line.contains("…"))
    #expect(EventOutput.logs([log], zone: .utc, now: 0, isWhole: false)[0].string.contains("…"))
    let trace = TraceSummary(id: "t", rootService: long, rootName: long, start: 0, duration: 93_000)
    #expect(!EventOutput.traces([trace], zone: .utc, columns: nil)[1].string.contains("…"))
    let name = String(long.prefix(1_000))
    let span = TraceSpan(id: "a", parent: "", service: "s", name: name, start: 0, end: 5)
    let waterfall = EventOutput.trace(
      Trace(id: "t", spans: [span]), zone: .utc, columns: 60, depth: .plain, isWhole: true)
    #expect(waterfall.contains(name) && waterfall.contains("1 span\n") && waterfall.contains("5ns"))
  }

  @Test("a table of traces tells short ones in their own unit, and where they failed")
  func traces() {
    let trace = TraceSummary(
      id: "ab", rootService: "customers", rootName: "POST", start: 0, duration: 93_000, errorCount: 1,
      failedService: "cart", failedName: "GET")
    let line = EventOutput.traces([trace], zone: .utc, columns: nil)[1].string
    #expect(line == "ab     1970-01-01T00:00:00.000Z  93µs  customers  cart       POST")
    #expect(EventOutput.csv([trace]).hasSuffix("\nab,1970-01-01T00:00:00.000Z,0.093,customers,POST,cart,GET\n"))
  }

  @Test("without colours each line of a graph has a mark of its own, in the graph and in its legend")
  func marks() {
    let lines = (0..<3).map { index in
      SeriesResult(
        labels: [("n", "\(index)")], points: (0...60).map { .init(time: Double($0), value: Double(index + 1)) })
    }
    let output = SeriesOutput(series: lines, zone: .utc)
    func graph(_ depth: ColorDepth) -> String {
      output.graph(range: (0, 60_000_000_000), step: 1_000_000_000, size: Size(columns: 60, rows: 8), depth: depth)
    }
    for (index, mark) in ["●", "○", "▲"].enumerated() {
      #expect(graph(.plain).contains("\(mark) {n=\"\(index)\"}"))
      #expect(graph(.plain).components(separatedBy: mark).count > 40)
    }
    #expect(!graph(.truecolor).contains("●") && graph(.truecolor).contains("■"))
  }

  @Test("a graph has its legend below it, and survives empty answers")
  func graph() {
    let output = SeriesOutput(series: series, zone: .utc)
    let text = output.graph(
      range: (0, 60_000_000_000), step: 60_000_000_000, size: Size(columns: 60, rows: 8), depth: .plain)
    #expect(text.contains("● up{job=\"=evil\"}") && text.contains("00:01:00"))
    #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count == 11)
    let none = SeriesOutput(series: [], zone: .utc)
    #expect(!none.graph(range: (0, 0), step: 0, size: Size(columns: 60, rows: 8), depth: .plain).isEmpty)
  }

  @Test("logs keep their lines apart and show control characters")
  func logs() {
    let log = LogLine(
      time: 1_700_000_000_123_000_000, labels: ["level": "warn", "service_name": "cart", "order": "7"],
      body: "first\n\u{1B}]0;x\u{07}")
    func lines(_ log: LogLine, now: Int64) -> [String] {
      EventOutput.logs([log], zone: .utc, now: now, isWhole: true).map(\.string)
    }
    #expect(lines(log, now: log.time) == ["22:13:20.123 WARN  cart first  order=7", "    ␛]0;x␇"])
    let day: Int64 = 86_400_000_000_000
    #expect(lines(log, now: log.time + day)[0].hasPrefix("2023-11-14 22:13:20.123 WARN  cart first"))
    let traced = LogLine(time: 0, labels: ["trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"], body: "x")
    #expect(lines(traced, now: 0)[0].hasSuffix(" x  trace_id=4bf92f3577b34da6a3ce929d0e0e4736"))
    #expect(
      EventOutput.csv([log]).hasPrefix("time,level,order,service_name,line\n2023-11-14T22:13:20.123Z,warn,7,cart,"))
  }

  @Test("a trace is a waterfall with what its failed spans say")
  func trace() {
    let span = TraceSpan(
      id: "a", parent: "", service: "payment", name: "charge", start: 0, end: 5_000_000, isError: true,
      message: "declined\u{9B}")
    let text = EventOutput.trace(Trace(id: "t", spans: [span]), zone: .utc, columns: 60, depth: .plain)
    #expect(text.contains("✗ payment charge") && text.contains("5ms") && text.contains("declined\\u{9B}"))
    #expect(
      EventOutput.csv(Trace(id: "t", spans: [span])).contains("t,a,,payment,charge,1970-01-01T00:00:00.000Z,5,true,"))
  }

  @Test("a name that nobody knows is recognised by what the lookup says")
  func unknownHost() {
    let text =
      "DNS error: SocketAddressError.UnknownHost: Name or service not known (error -2) for host no-such-host.invalid, port 7070"
    #expect(APIClient.isUnknownHost(text) && !APIClient.isUnknownHost("connection reset"))
  }

  @Test("times are sent as exact decimal seconds")
  func seconds() {
    #expect(APIClient.seconds(1_700_000_000_123_456_789) == "1700000000.123")
    #expect(APIClient.seconds(-1_500_000_000) == "-1.500")
    #expect(APIClient.seconds(5_000_000_000) == "5")
    #expect(APIClient.escaped("a b&{\"é\"}") == "a%20b%26%7B%22%C3%A9%22%7D")
  }
}
