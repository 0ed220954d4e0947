import ArgumentParser
import NeedletailDashboard
import NeedletailTerminal

/// `needletail labels [NAME]`.
struct LabelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "labels",
    abstract: "List the names of labels, or the values of one.",
    discussion: """
      EXAMPLES
        needletail labels
        needletail labels job
        needletail labels __name__ --since 1d --output json
      """)

  @Argument(help: "The label whose values to list.")
  var name: String?

  @Option(help: ArgumentHelp("Only labels of series that match; may be repeated.", valueName: "selector"))
  var match: [String] = []

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var times: TimeOptions

  @Option(help: "How to print the answer: table, json or csv.")
  var output: OutputFormat = .table

  func validate() throws {
    if output == .graph { throw ValidationError("labels have no graph; use --output table, json or csv") }
  }

  func run() async throws {
    let range = try times.range(now: WallClock.now(), span: "1d")
    let path = name.map { "/api/v1/label/\(APIClient.escaped($0))/values" } ?? "/api/v1/labels"
    let parameters =
      [("start", APIClient.seconds(range.start)), ("end", APIClient.seconds(range.end))] + match.map { ("match[]", $0) }
    let body = try await connection.client().get(path, parameters)
    if output == .json { return Console.printExactly(body) }
    let names = try Answers.names(body, path: path)
    if output == .csv {
      let lines = ["value"] + names
      return Console.printExactly(lines.reduce(into: "") { $0 += CSV.line([.text($1)]) + "\n" })
    }
    if names.isEmpty { Console.complain("nothing matches", prefix: "") }
    Console.print(names.map { StyledText(TerminalText($0)) })
  }
}

/// `needletail series SELECTOR...`.
struct SeriesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "series",
    abstract: "List the series that match selectors.",
    discussion: """
      EXAMPLES
        needletail series 'http_server_request_duration_seconds_count'
        needletail series '{job="cart"}' '{job="payment"}' --since 1d --output csv
      """)

  @Argument(help: "Selectors; a series is listed when it matches one.")
  var selectors: [String]

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var times: TimeOptions

  @Option(help: "How to print the answer: table, json or csv.")
  var output: OutputFormat = .table

  func validate() throws {
    if output == .graph { throw ValidationError("a list of series has no graph; `needletail query` draws one") }
  }

  func run() async throws {
    let range = try times.range(now: WallClock.now(), span: "1d")
    let parameters =
      selectors.map { ("match[]", $0) }
      + [("start", APIClient.seconds(range.start)), ("end", APIClient.seconds(range.end))]
    let body = try await connection.client().get("/api/v1/series", parameters)
    if output == .json { return Console.printExactly(body) }
    let series = try Answers.labelSets(body, path: "/api/v1/series").map { SeriesResult(labels: $0, points: []) }
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
