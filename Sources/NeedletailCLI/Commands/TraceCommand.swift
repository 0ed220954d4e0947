import ArgumentParser
import NeedletailDashboard
import NeedletailTerminal

/// `needletail trace ID`.
struct TraceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Show one trace as a waterfall, with its logs.",
    discussion: """
      EXAMPLES
        needletail trace 4bf92f3577b34da6a3ce929d0e0e4736
        needletail trace 4bf92f3577b34da6a3ce929d0e0e4736 --output json > trace.json
      """)

  @Argument(help: "The trace's id, in hexadecimal.")
  var id: String

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var reading: ReadingOptions

  @Option(help: "How to print the answer.")
  var output: ListFormat = .table

  @Flag(inversion: .prefixedNo, help: "Print the trace's logs below it.")
  var logs = true

  func validate() throws {
    guard (1...32).contains(id.utf8.count), id.allSatisfy(\.isHexDigit) else {
      throw ValidationError("'\(id)' is not a trace's id: up to 32 hexadecimal digits")
    }
  }

  func run() async throws {
    let client = try connection.client(reading)
    let padded = String(repeating: "0", count: 32 - id.utf8.count) + id.lowercased()
    let body: [UInt8]
    do {
      body = try await client.traceBody(padded)
    } catch APIFailure.refused(404, _, let message) {
      // What the server adds is why there may be one after all.
      let told = "trace \(padded) not found"
      let lack = message.hasPrefix(told) ? message.dropFirst(told.count) : ""
      throw CommandFailure(
        message: "no trace \(padded) on \(client.server)\(lack); `needletail traces` lists what there is")
    }
    if let lack = try Answers.lack(body, path: "/tempo/api/traces") { Console.complain(lack, prefix: "warning: ") }
    if output == .json { return Console.printExactly(body) }
    let trace = try Answers.trace(body, id: padded, path: "/tempo/api/traces")
    if output == .csv { return Console.printExactly(EventOutput.csv(trace)) }
    let zone: TimeText.Zone = Console.isLocalTime ? .local : .utc
    let text = EventOutput.trace(trace, zone: zone, columns: Console.columns, depth: Console.depth)
    Console.write(Array(text.utf8), to: 1)
    guard logs else { return }
    let found = try await Self.logs(of: trace, client)
    guard !found.isEmpty else { return }
    Console.print([StyledText("logs of this trace", .heading)] + EventOutput.logs(found, zone: zone, showsTrace: false))
  }

  /// The logs of a trace, oldest first, with half a minute to either side for clocks that differ.
  static func logs(of trace: Trace, _ client: APIClient) async throws -> [LogLine] {
    let margin: Int64 = 30_000_000_000
    return try await client.logs(
      "{trace_id=\"\(trace.id)\"}", start: trace.start &- margin, end: trace.end &+ margin, limit: 200
    ).sorted { $0.time < $1.time }
  }
}
