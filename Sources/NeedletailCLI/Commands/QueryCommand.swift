import ArgumentParser
import NeedletailDashboard
import NeedletailTerminal

/// `needletail query EXPR`.
struct QueryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query",
    abstract: "Ask a PromQL expression, at one moment or over a range.",
    discussion: """
      A range is asked when --start, --end, --since, --step or --output graph is given.

      EXAMPLES
        needletail query 'up'
        needletail query 'sum by (job) (rate(http_server_request_duration_seconds_count[5m]))' --output graph
        needletail query 'up' --start now-1d --end now-1h --step 5m --output csv > up.csv
        needletail query 'up' --time 2026-11-22T15:04:05Z --output json | jq .data
      """)

  @Argument(help: "The expression.")
  var expression: String

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var times: TimeOptions

  @Option(help: ArgumentHelp("The moment of an instant query. (default: now)", valueName: "time"))
  var time: String?

  @Option(help: ArgumentHelp("The distance of a range's points. (default: fits the screen)", valueName: "duration"))
  var step: String?

  @Option(help: "How to print the answer.")
  var output: OutputFormat = .table

  private var isRange: Bool { times.isGiven || step != nil || output == .graph }

  func validate() throws {
    if isRange && time != nil {
      throw ValidationError("--time asks for one moment and cannot stand with a range; use --end")
    }
  }

  func run() async throws {
    let now = WallClock.now()
    let client = try connection.client()
    let zone: TimeText.Zone = Console.isLocalTime ? .local : .utc
    guard isRange else {
      let body = try await client.instantBody(
        expression, at: try TimeOptions.instant(time ?? "now", "--time", now: now))
      if output == .json { return Console.printExactly(body) }
      let answer = try Answers.series(body, path: "/api/v1/query")
      tell(answer)
      let result = SeriesOutput(series: answer.series, zone: zone)
      if output == .csv { return Console.printExactly(result.csv()) }
      return Console.print(result.table(isRange: false, columns: Console.columns))
    }
    let range = try times.range(now: now)
    let distance = try stepNanoseconds(range)
    let body = try await client.rangeBody(expression, start: range.start, end: range.end, step: distance)
    if output == .json { return Console.printExactly(body) }
    let answer = try Answers.series(body, path: "/api/v1/query_range")
    tell(answer)
    let result = SeriesOutput(series: answer.series, zone: zone)
    switch output {
    case .csv: Console.printExactly(result.csv())
    case .graph:
      let text = result.graph(
        range: range, step: distance, size: Size(columns: Console.columns, rows: 16), depth: Console.depth)
      Console.write(Array(text.utf8), to: 1)
    case .table, .json: Console.print(result.table(isRange: true, columns: Console.columns))
    }
  }

  private func tell(_ answer: Answers.Series) {
    for warning in answer.warnings { Console.complain(warning, prefix: "warning: ") }
    if answer.histograms > 0 {
      Console.complain("\(answer.histograms) native histograms are not shown; --output json has them")
    }
    if answer.series.isEmpty && answer.histograms == 0 { Console.complain("nothing matches", prefix: "") }
  }

  private func stepNanoseconds(_ range: (start: Int64, end: Int64)) throws -> Int64 {
    let second: Int64 = 1_000_000_000
    guard let step else {
      // As many points as a graph across a terminal has dots.
      let length = Double(range.end) - Double(range.start)
      return max(1, Int64((length / Double(second) / 200).rounded())) * second
    }
    guard let value = TimeSpan.nanoseconds(step), value >= 1_000_000 else {
      throw ValidationError("--step '\(step)' is not a duration of at least 1ms; write it as 15s or 5m")
    }
    return value
  }
}
