import ArgumentParser
import NeedletailTerminal

/// `needletail labels [NAME]`.
struct LabelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "labels",
    abstract: "List the names of the labels of metrics, or the values of one.",
    discussion: """
      Labels of metrics alone. Those of logs are listed by the server's /loki/api/v1/labels and \
      /loki/api/v1/label/NAME/values; what spans have is seen with `needletail trace`.

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
  @OptionGroup var reading: ReadingOptions
  @OptionGroup var times: TimeOptions

  @Option(help: "How to print the answer.")
  var output: ListFormat = .table

  func run() async throws {
    let range = try times.range(now: WallClock.now(), span: "1d")
    let path = name.map { "/api/v1/label/\(APIClient.escaped($0))/values" } ?? "/api/v1/labels"
    let parameters =
      [("start", APIClient.seconds(range.start)), ("end", APIClient.seconds(range.end))] + match.map { ("match[]", $0) }
    let body = try await connection.client(reading).get(path, parameters)
    if output == .json { return Console.printExactly(body) }
    let names = try Answers.names(body, path: path)
    for warning in try Answers.warnings(body, path: path) { Console.complain(warning, prefix: "warning: ") }
    if output == .csv {
      let lines = ["value"] + names
      return Console.printExactly(lines.reduce(into: "") { $0 += CSV.line([.text($1)]) + "\n" })
    }
    if names.isEmpty { Console.complain("nothing matches", prefix: "") }
    Console.print(names.map { StyledText(TerminalText($0)) })
  }
}
