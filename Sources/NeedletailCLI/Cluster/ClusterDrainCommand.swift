import ArgumentParser

/// `needletail cluster drain NODE`.
struct ClusterDrainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain",
    abstract: "Have a member give its slots to the others, so that it can be stopped.",
    discussion: """
      The node keeps running until that is done; then it holds nothing, and may be stopped for good. Try --dry-run \
      before: it says how much will move.

      EXAMPLES
        needletail cluster drain n3 --dry-run
        needletail cluster drain n3 --watch
      """)

  @Argument(help: "The name of the node.")
  var node: String

  @OptionGroup var change: ClusterChangeOptions

  func run() async throws {
    try await change.ask("drain", node: node)
  }
}
