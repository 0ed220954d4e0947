import ArgumentParser
import NeedletailDashboard
import NeedletailTerminal

/// `needletail traces`.
struct TracesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "traces",
    abstract: "Find traces.",
    discussion: """
      EXAMPLES
        needletail traces
        needletail traces --tags 'service.name=frontend status=error' --since 15m
        needletail traces --min-duration 500ms --limit 50 --output json
      """)

  @Option(help: ArgumentHelp("Attributes that a span must have, as logfmt.", valueName: "key=value ..."))
  var tags = ""

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Only traces that took at least this long, such as 500ms.", valueName: "duration"))
  var minDuration = ""

  @Option(parsing: .unconditional, help: "The most traces to print, 1 to 1000.")
  var limit = 20

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var reading: ReadingOptions
  @OptionGroup var times: TimeOptions

  @Option(help: "How to print the answer.")
  var output: ListFormat = .table

  func validate() throws {
    if !(1...1000).contains(limit) { throw ValidationError("--limit \(limit) is not between 1 and 1000") }
    if !minDuration.isEmpty && TimeSpan.nanoseconds(minDuration) == nil {
      throw ValidationError("--min-duration '\(minDuration)' is not a duration; write it as 500ms")
    }
    if TimeSpan.decimal(minDuration) != nil {
      throw ValidationError("--min-duration '\(minDuration)' has no unit; write \(minDuration)ms or \(minDuration)s")
    }
  }

  /// What the server is asked.
  func search(in range: (start: Int64, end: Int64), limit: Int) -> TraceSearch {
    TraceSearch(
      tags: tags, minimumDuration: TimeSpan.nanoseconds(minDuration), limit: limit, start: Double(range.start) / 1e9,
      end: Double(range.end) / 1e9)
  }

  func run() async throws {
    let range = try times.range(now: WallClock.now())
    // One more than is printed, to know whether there are more.
    let asked = output == .json ? limit : min(limit + 1, 1_000)
    let body = try await connection.client(reading).tracesBody(search(in: range, limit: asked))
    if let lack = try Answers.lack(body, path: "/tempo/api/search") { Console.complain(lack, prefix: "warning: ") }
    if output == .json { return Console.printExactly(body) }
    let found = try Answers.traces(body, path: "/tempo/api/search")
    let traces = Array(found.prefix(limit))
    if traces.isEmpty { Console.complain("nothing matches", prefix: "") }
    if found.count > limit { Console.complain("these are the newest \(limit); --limit shows more", prefix: "") }
    if output == .csv { return Console.printExactly(EventOutput.csv(traces)) }
    Console.print(
      EventOutput.traces(traces, zone: Console.isLocalTime ? .local : .utc, columns: Console.tableColumns))
  }
}
