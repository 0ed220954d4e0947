import ArgumentParser
import NeedletailDashboard
import NeedletailTerminal

/// `needletail dash`.
struct DashCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dash",
    abstract: "Watch services live: requests, errors, latency, failed traces and their logs.",
    discussion: """
      Keys: q quits, tab and the arrows move, enter opens, esc goes back, space pauses, ? lists them all.

      EXAMPLES
        needletail dash
        needletail dash --since 1h --refresh 5s
        needletail dash --once > frame.txt
      """)

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var reading: ReadingOptions

  @Option(help: ArgumentHelp("How much time the graphs span.", valueName: "duration"))
  var since = "15m"

  @Option(help: ArgumentHelp("How long to wait between two rounds of questions.", valueName: "duration"))
  var refresh = "2s"

  @Option(help: ArgumentHelp("Traces that took longer count as slow.", valueName: "duration"))
  var slow = "500ms"

  @Flag(help: "Print one frame and end; fails when the server cannot be asked.")
  var once = false

  func validate() throws {
    if reading.coverage {
      throw ValidationError("--coverage: the dashboard tells it in its title, without being asked")
    }
    for (option, text) in [("--since", since), ("--refresh", refresh), ("--slow", slow)] {
      guard let value = TimeSpan.nanoseconds(text), value >= 100_000_000 else {
        throw ValidationError("\(option) '\(text)' is not a duration of at least 100ms")
      }
    }
  }

  func run() async throws {
    let client = try connection.client(reading)
    let dashboard = Self.dashboard(client, since: since, refresh: refresh, slow: slow)
    if once {
      let size = Console.isTerminal ? TerminalSession.size : Size(columns: Console.columns, rows: 30)
      let (frame, problems) = await dashboard.once(size)
      Console.write(Array(frame.utf8), to: 1)
      if let problem = problems.first { throw CommandFailure(message: problem) }
      return
    }
    do {
      try await dashboard.run()
    } catch TerminalError.notATerminal {
      throw CommandFailure(message: "the dashboard needs a terminal; `needletail dash --once` prints one frame")
    }
  }

  static func dashboard(
    _ client: APIClient, since: String = "15m", refresh: String = "2s", slow: String = "500ms"
  ) -> Dashboard<APIClient> {
    let window = Double(TimeSpan.nanoseconds(since) ?? 900_000_000_000) / 1e9
    return Dashboard(
      source: client, query: OverviewQuery(window: window, slow: TimeSpan.nanoseconds(slow) ?? 500_000_000),
      server: client.server,
      zone: Console.isLocalTime ? .local : .utc, depth: Console.depth,
      refresh: .nanoseconds(TimeSpan.nanoseconds(refresh) ?? 2_000_000_000), now: { WallClock.now() })
  }
}
