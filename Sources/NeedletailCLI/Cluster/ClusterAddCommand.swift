import ArgumentParser

/// `needletail cluster add NODE`.
struct ClusterAddCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Give a member that holds no slots its share of them.",
    discussion: """
      The node has to run with --node, --role storage or all, and --seeds first. Nothing moves between the others, and \
      the slots are read from where they were until they are whole on it. Try --dry-run before: it says how much will move.

      EXAMPLES
        needletail cluster add n6 --dry-run
        needletail cluster add n6 --watch
      """)

  @Argument(help: "The name of the node.")
  var node: String

  @OptionGroup var change: ClusterChangeOptions

  func run() async throws {
    try await change.ask("add", node: node)
  }
}
