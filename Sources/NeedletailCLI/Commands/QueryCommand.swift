import ArgumentParser
import NeedletailDashboard
import NeedletailTerminal

/// `needletail query EXPR`.
struct QueryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query",
    abstract: "Ask a PromQL expression, at one moment or over a range.",
    discussion: """
      A range is asked when --start, --end, --since, --step or --output graph is given. An expression that selects log \
      records itself, logs{...}, prints \
      their lines, of the last hour where no time is given.

      EXAMPLES
        needletail query    # a prompt: Tab completes, Ctrl-D ends
        needletail query 'up'
        needletail query 'sum by (job) (rate(requests_total[5m]))' --output graph
        needletail query 'up' --start now-1d --end now-1h --output csv > up.csv
        needletail query 'up' --time 2026-11-22T15:04:05Z --output json | jq .data
        needletail query 'logs{service_name="cart"} |= "timeout"' --since 15m
        needletail query 'sum by (job) (rate(requests_total[5m]))' --explain
      """)

  @Argument(help: "The expression; without one a terminal shows a prompt, in which Tab completes.")
  var expression = ""

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var reading: ReadingOptions
  @OptionGroup var times: TimeOptions

  @Option(help: ArgumentHelp("The moment of an instant query. (default: now)", valueName: "time"))
  var time: String?

  @Option(help: ArgumentHelp("The distance of a range's points. (default: fits the screen)", valueName: "duration"))
  var step: String?

  @Option(help: "How to print the answer.")
  var output: QueryFormat = .table

  @Flag(help: "Do not ask it: print how it would be carried out, and what would be read for it.")
  var explain = false

  private var isRange: Bool { times.isGiven || step != nil || output == .graph }

  func validate() throws {
    if isRange && time != nil {
      throw ValidationError("--time asks for one moment and cannot stand with a range; use --end")
    }
    if explain && (output == .csv || output == .graph) {
      throw ValidationError("--explain prints a plan, which is no \(output.rawValue); use table or json")
    }
  }

  func run() async throws {
    guard expression.isEmpty else { return try await askOnce() }
    let prompt = QueryPrompt(
      ask: { [self] query in
        var command = self
        command.expression = query
        try await command.ask()
      }, source: try connection.client(reading), history: QueryHistory())
    do {
      try await prompt.run()
    } catch TerminalError.notATerminal {
      throw ValidationError("Missing expected argument '<expression>'; only a terminal has a prompt for it")
    }
  }

  /// Asks, and shows where in the query an error is that tells its place.
  private func askOnce() async throws {
    do {
      try await ask()
    } catch let failure as APIFailure {
      guard let place = ErrorPlace(in: failure.description) else { throw failure }
      Console.complain(failure.description)
      for line in place.pointer(into: expression, columns: Console.columns) { Console.complain(line, prefix: "  ") }
      throw ExitCode.failure
    }
  }

  private func ask() async throws {
    let now = WallClock.now()
    if explain { return try await showPlan(now: now) }
    if !isRange {
      let moment = try TimeOptions.instant(time ?? "now", "--time", now: now)
      let body = try await connection.client(reading).instantBody(expression, at: moment)
      // Hardly an event is of one moment: where none is named, those of the last hour are meant.
      if try time != nil || !Answers.areEvents(body, path: APIClient.instantPath) { return try showInstant(body) }
    }
    let range = try times.range(now: now)
    let distance = try stepNanoseconds(range)
    let body = try await connection.client(reading).rangeBody(
      expression, start: range.start, end: range.end, step: distance)
    if output == .json { return Console.printExactly(body) }
    guard let result = try shown(body, path: APIClient.rangePath) else { return }
    switch output {
    case .csv: Console.printExactly(result.csv())
    case .graph:
      let text = result.graph(
        range: range, step: distance, size: Size(columns: Console.columns, rows: 16), depth: Console.depth)
      Console.write(Array(text.utf8), to: 1)
    case .table, .json: Console.print(result.table(isRange: true, columns: Console.tableColumns))
    }
  }

  private func showPlan(now: Int64) async throws {
    let body: [UInt8]
    if isRange {
      let range = try times.range(now: now)
      body = try await connection.client(reading).planBody(
        expression, start: range.start, end: range.end, step: try stepNanoseconds(range))
    } else {
      let moment = try TimeOptions.instant(time ?? "now", "--time", now: now)
      body = try await connection.client(reading).planBody(expression, start: moment, end: moment, step: nil)
    }
    if output == .json { return Console.printExactly(body) }
    Console.print(try PlanOutput(body, path: APIClient.planPath).lines(zone))
  }

  private func showInstant(_ body: [UInt8]) throws {
    if output == .json { return Console.printExactly(body) }
    guard let result = try shown(body, path: APIClient.instantPath) else { return }
    if output == .csv { return Console.printExactly(result.csv()) }
    let columns = Console.tableColumns
    Console.print(result.isMatrix ? result.samples(columns: columns) : result.table(isRange: false, columns: columns))
  }

  private var zone: TimeText.Zone { Console.isLocalTime ? .local : .utc }

  /// The series of an answer; nil where it was log records or a text, which are printed here.
  private func shown(_ body: [UInt8], path: String) throws -> SeriesOutput? {
    switch try Answers.result(body, path: path) {
    case .text(let text):
      if output == .graph { throw CommandFailure(message: "a text has no graph; use --output table") }
      let line = output == .csv ? CSV.line([.text("value")]) + "\n" + CSV.line([.text(text)]) : text
      Console.printExactly(line + "\n")
      return nil
    case .series(let answer):
      tell(answer)
      return SeriesOutput(series: answer.series, isMatrix: answer.isMatrix, zone: zone)
    case .logs(let found):
      if output == .graph {
        throw CommandFailure(
          message:
            "log records and spans have no graph; count them, as count_over_time(logs{...}[5m]) or rate(spans{...}[5m]) does"
        )
      }
      let logs = found.sorted { $0.time < $1.time }
      for warning in try Answers.warnings(body, path: path) { Console.complain(warning, prefix: "warning: ") }
      if logs.isEmpty { Console.complain("nothing matches", prefix: "") }
      if output == .csv {
        Console.printExactly(EventOutput.csv(logs))
      } else {
        Console.print(EventOutput.logs(logs, zone: zone))
      }
      return nil
    }
  }

  private func tell(_ answer: Answers.Series) {
    for warning in answer.warnings { Console.complain(warning, prefix: "warning: ") }
    let undrawn = answer.series.count { !$0.histograms.isEmpty }
    if output == .graph, undrawn > 0 {
      Console.complain(
        (undrawn == 1 ? "1 series has native histograms" : "\(undrawn) series have native histograms")
          + ", of which there is no graph; ask for a number of them, as histogram_quantile(0.9, ...) is", prefix: "")
    }
    guard answer.series.isEmpty else { return }
    Console.complain("nothing matches", prefix: "")
    if let hint = EventSelectorHint.text(for: expression) { Console.complain(hint, prefix: "") }
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
