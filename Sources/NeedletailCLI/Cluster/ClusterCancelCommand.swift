import ArgumentParser

/// `needletail cluster cancel`.
struct ClusterCancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel",
    abstract: "Take back the change that is under way.",
    discussion: """
      All slots stay where they were before it. Try --dry-run before: it says what would be given up.

      EXAMPLES
        needletail cluster cancel --dry-run
        needletail cluster cancel
      """)

  @OptionGroup var change: ClusterChangeOptions

  func run() async throws {
    try await change.ask("cancel")
  }
}
