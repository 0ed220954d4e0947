import ArgumentParser
import NeedletailTerminal

/// `needletail cluster nodes`.
struct ClusterNodesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodes",
    abstract: "List the nodes of a cluster: who is up, what each holds, and what waits for it.",
    discussion: """
      SHARE is of all replicas of slots, MOVING what a change brings a node and takes from it, UNREADY how many of its \
      slots are not whole on it yet, and HINTS what waits for it on the node that is asked.

      EXAMPLES
        needletail cluster nodes
        needletail cluster nodes --output json
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  func run() async throws {
    let client = try connection.client()
    if output == .json { return Console.printExactly(try await client.get(ClusterCommand.statusPath)) }
    let state = try await ClusterCommand.state(client)
    Console.print(ClusterReport(state: state).nodes(columns: Console.tableColumns))
    for warning in state.warnings { Console.complain(warning, prefix: "warning: ") }
  }
}
