import ArgumentParser
import NeedletailDashboard
import NeedletailTerminal

/// `needletail logs [SELECTOR]`.
struct LogsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Find log records.",
    discussion: """
      Prints the newest records that match, oldest first: time (with the date where it is not today's), level, service, \
      message, attributes, and the id of the trace, as `needletail trace` takes it.

      EXAMPLES
        needletail logs
        needletail logs '{service_name=~".+"} |= "payment"'
        needletail logs '{service_name="cart"} |= "timeout"' --since 15m
        needletail logs '{level="error"}' --limit 20 --output csv > errors.csv
        needletail logs '{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"}' --since 1d
        needletail logs '{service_name="cart"}' --raw | grep -i card
      """)

  @Argument(help: "A stream selector with filters.")
  var selector = "{service_name=~\".+\"}"

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var reading: ReadingOptions
  @OptionGroup var times: TimeOptions

  @Option(parsing: .unconditional, help: "The most records to print, 1 to 50000.")
  var limit = 100

  @Flag(help: "Take the oldest records of the time, not the newest.")
  var oldest = false

  @Flag(help: "Print the messages alone, exactly as they were sent, control characters included.")
  var raw = false

  @Option(help: "How to print the answer.")
  var output: ListFormat = .table

  func validate() throws {
    if !(1...50_000).contains(limit) { throw ValidationError("--limit \(limit) is not between 1 and 50000") }
    if !selector.contains("{") {
      // The message of an error is one line, and the word may be anything.
      let word = selector.filter { $0.isLetter || $0.isNumber || "-_. ".contains($0) }
      throw ValidationError(
        "a log query selects streams in braces, which '\(selector)' does not; to look for a word write "
          + "'{service_name=~\".+\"} |= \"\(word)\"'")
    }
  }

  func run() async throws {
    let range = try times.range(now: WallClock.now())
    // One more than is printed, to know whether there are more.
    let asked = output == .json ? limit : min(limit + 1, 50_000)
    let body = try await connection.client(reading).logsBody(
      selector, start: range.start, end: range.end, limit: asked, forward: oldest)
    if output == .json { return Console.printExactly(body) }
    let found = try Answers.logs(body, path: "/loki/api/v1/query_range").sorted { $0.time < $1.time }
    let logs = Array(oldest ? found.prefix(limit) : found.suffix(limit))
    for warning in try Answers.warnings(body, path: "/loki/api/v1/query_range") {
      Console.complain(warning, prefix: "warning: ")
    }
    if logs.isEmpty { Console.complain("nothing matches", prefix: "") }
    if found.count > limit {
      let which = oldest ? "oldest" : "newest"
      Console.complain("these are the \(which) \(limit); --limit shows more", prefix: "")
    }
    if raw {
      Console.write(logs.flatMap { Array($0.body.utf8) + [0x0A] }, to: 1)
    } else if output == .csv {
      Console.printExactly(EventOutput.csv(logs))
    } else {
      Console.print(EventOutput.logs(logs, zone: Console.isLocalTime ? .local : .utc))
    }
  }
}
