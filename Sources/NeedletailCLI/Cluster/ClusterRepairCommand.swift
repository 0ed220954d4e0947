import ArgumentParser
import NeedletailBlocks

/// `needletail cluster repair [NODE]`.
struct ClusterRepairCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair",
    abstract: "Have replicas compared now instead of in turn, and differences settled.",
    discussion: """
      Replicas are compared all the time, one slot between two of its holders each time; this only hurries. \
      `needletail cluster verify` also waits for the result.

      EXAMPLES
        needletail cluster repair
        needletail cluster repair n3
      """)

  @Argument(help: "The node whose slots to compare. (default: all)")
  var node: String?

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  func run() async throws {
    let client = try connection.client()
    if output == .json { return Console.printExactly(try await Self.ask(client, node: node).body) }
    let count = try await Self.ask(client, node: node).count
    let none =
      count == 0 ? ": no other member that holds the same slots is there; `needletail cluster nodes` tells who is" : ""
    Console.print(Counted.text(count, "comparison") + " asked for" + none)
  }

  /// Asks for a round; returns how many comparisons that are.
  static func ask(_ client: APIClient, node: String?) async throws -> (count: Int, body: [UInt8]) {
    let path = ClusterCommand.path("repair")
    let body = try await client.post(path, node.map { [("node", $0)] } ?? [])
    guard let count = ClusterState.count(try Answers.parse(body, path)["data"]?["exchanges"]) else {
      throw APIFailure.malformed(path: path, reason: "no data.exchanges")
    }
    return (count, body)
  }
}
