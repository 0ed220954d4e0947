import ArgumentParser

/// `needletail cluster remove NODE`.
struct ClusterRemoveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Have others take the place of a member that is gone for good.",
    discussion: """
      For a node that will not come back: its slots are filled from their other replicas. One that still runs is \
      refused: have it give its slots to others with `cluster drain` instead. Try --dry-run before: it says how much will move.

      EXAMPLES
        needletail cluster remove n3 --dry-run
        needletail cluster remove n3 --watch
      """)

  @Argument(help: "The name of the node.")
  var node: String

  @Flag(help: "Remove it also where it is still there.")
  var force = false

  @OptionGroup var change: ClusterChangeOptions

  func run() async throws {
    try await change.ask("remove", [("node", node)] + (force ? [("force", "true")] : []))
  }
}
