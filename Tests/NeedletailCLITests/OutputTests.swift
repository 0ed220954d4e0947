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

  @Test("a graph has its legend below it, and survives empty answers")
  func graph() {
    let output = SeriesOutput(series: series, zone: .utc)
    let text = output.graph(
      range: (0, 60_000_000_000), step: 60_000_000_000, size: Size(columns: 60, rows: 8), depth: .plain)
    #expect(text.contains("■ up{job=\"=evil\"}") && text.contains("00:01:00"))
    #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count == 11)
    let none = SeriesOutput(series: [], zone: .utc)
    #expect(!none.graph(range: (0, 0), step: 0, size: Size(columns: 60, rows: 8), depth: .plain).isEmpty)
  }

  @Test("logs keep their lines apart and show control characters")
  func logs() {
    let log = LogLine(
      time: 1_700_000_000_123_000_000, labels: ["level": "warn", "service_name": "cart", "order": "7"],
      body: "first\n\u{1B}]0;x\u{07}")
    let lines = EventOutput.logs([log], zone: .utc).map(\.string)
    #expect(lines == ["22:13:20.123 WARN  cart first  order=7", "    ␛]0;x␇"])
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

  @Test("times are sent as exact decimal seconds")
  func seconds() {
    #expect(APIClient.seconds(1_700_000_000_123_456_789) == "1700000000.123")
    #expect(APIClient.seconds(-1_500_000_000) == "-1.500")
    #expect(APIClient.seconds(5_000_000_000) == "5")
    #expect(APIClient.escaped("a b&{\"é\"}") == "a%20b%26%7B%22%C3%A9%22%7D")
  }
}
