import ArgumentParser
import NeedletailDashboard
import NeedletailTerminal

/// `needletail series SELECTOR...`.
struct SeriesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "series",
    abstract: "List the series of metrics that match selectors.",
    discussion: """
      Series of metrics alone; `needletail logs` and `needletail traces` find the others' streams by what they hold.

      EXAMPLES
        needletail series 'http_server_request_duration_seconds_count'
        needletail series '{job="cart"}' '{job="payment"}' --output csv
      """)

  @Argument(help: "Selectors; a series is listed when it matches one.")
  var selectors: [String]

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var reading: ReadingOptions
  @OptionGroup var times: TimeOptions

  @Option(help: "How to print the answer.")
  var output: ListFormat = .table

  func run() async throws {
    let range = try times.range(now: WallClock.now(), span: "1d")
    let parameters =
      selectors.map { ("match[]", $0) }
      + [("start", APIClient.seconds(range.start)), ("end", APIClient.seconds(range.end))]
    let path = "/api/v1/series"
    let body = try await connection.client(reading).get(path, parameters)
    if output == .json { return Console.printExactly(body) }
    let series = try Answers.labelSets(body, path: path).map { SeriesResult(labels: $0, points: []) }
    for warning in try Answers.warnings(body, path: path) { Console.complain(warning, prefix: "warning: ") }
    if output == .csv {
      let names = Set(series.flatMap { $0.labels.map(\.name) }).sorted()
      let header = CSV.line(names.map { .text($0) }) + "\n"
      let text = series.reduce(into: header) { out, result in
        out += CSV.line(names.map { .text(result.label($0) ?? "") }) + "\n"
      }
      return Console.printExactly(text)
    }
    if series.isEmpty { Console.complain("nothing matches", prefix: "") }
    Console.print(series.map { StyledText(TerminalText($0.name)) })
  }
}
