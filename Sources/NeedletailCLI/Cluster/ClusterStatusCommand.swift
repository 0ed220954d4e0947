import ArgumentParser
import NeedletailTerminal

/// `needletail cluster status`.
struct ClusterStatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show a cluster at a glance: who is up, which slots are whole, and how far a change is.",
    discussion: """
      EXAMPLES
        needletail cluster status
        needletail cluster status --watch
        needletail cluster status --output json
      """)

  @Flag(help: "Follow the change under way until it is done.")
  var watch = false

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  func validate() throws {
    if watch, output == .json {
      throw ValidationError("--watch draws for people; ask again and again for --output json instead")
    }
  }

  func run() async throws {
    let client = try connection.client()
    if output == .json { return Console.printExactly(try await client.get(ClusterCommand.statusPath)) }
    let state = try await ClusterCommand.state(client)
    if watch, state.change != nil { return try await ClusterWatch(client: client).run(state) }
    Self.print(state)
    if watch { Console.complain("no change is under way", prefix: "") }
  }

  static func print(_ state: ClusterState) {
    Console.print(ClusterReport(state: state).glance())
    for warning in state.warnings { Console.complain(warning, prefix: "warning: ") }
  }
}
