import ArgumentParser
import NeedletailTerminal

/// `needletail cluster ring`.
struct ClusterRingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ring",
    abstract: "Show which nodes hold which slots.",
    discussion: """
      Slots that lie on the same nodes have one line, unless --slots asks for each. NEXT says where a change brings them.

      EXAMPLES
        needletail cluster ring
        needletail cluster ring --slots
        needletail cluster ring --output json
      """)

  @Flag(help: "List every slot.")
  var slots = false

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  func run() async throws {
    let path = ClusterCommand.path("ring")
    let body = try await connection.client().get(path)
    if output == .json { return Console.printExactly(body) }
    let ring = try ClusterRing(body, path: path)
    if ring.slots.isEmpty { Console.complain("no slot is assigned yet", prefix: "") }
    Console.print(slots ? ring.list(columns: Console.tableColumns) : ring.summary(columns: Console.tableColumns))
  }
}
