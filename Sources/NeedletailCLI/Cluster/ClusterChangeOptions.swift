import ArgumentParser
import NeedletailTerminal

/// How a change of a cluster is asked for.
struct ClusterChangeOptions: ParsableArguments {
  @Flag(help: "Only say how much would move.")
  var dryRun = false

  @Flag(help: "Follow the change until it is done.")
  var watch = false

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  func validate() throws {
    if watch, output == .json { throw ValidationError("--watch draws for people; it cannot go with --output json") }
    if watch, dryRun { throw ValidationError("--dry-run changes nothing that --watch could follow") }
  }

  /// Asks for a change of a node, or of none in particular, and prints what it moves.
  func ask(_ name: String, node: String? = nil) async throws {
    try await ask(name, node.map { [("node", $0)] } ?? [])
  }

  /// Asks for a change that these parameters say, and prints what it moves.
  func ask(_ name: String, _ parameters: [(String, String)]) async throws {
    let path = ClusterCommand.path(name)
    let client = try connection.client()
    let body = try await client.post(path, parameters + (dryRun ? [("dry_run", "true")] : []))
    if output == .json { return Console.printExactly(body) }
    let moves = try ClusterMoves(body, path: path)
    Console.print(moves.lines(columns: Console.tableColumns))
    for warning in moves.warnings { Console.complain(warning, prefix: "warning: ") }
    if watch { return try await ClusterWatch(client: client).run(try await ClusterCommand.state(client)) }
    let isFollowed = !dryRun && (!moves.moves.isEmpty || moves.compared > 0)
    if isFollowed { Console.complain("`needletail cluster status --watch` shows how far it is", prefix: "") }
  }
}
