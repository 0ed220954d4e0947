import ArgumentParser

/// `needletail storage`.
struct StorageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "storage",
    abstract: "Look into a data folder, verify it, repair it, or have a server make a snapshot.",
    discussion: """
      inspect and verify change nothing, and also read a folder that a server has open. repair needs the folder for \
      itself: stop the server first.

      EXAMPLES
        needletail storage inspect ./needletail-data
        needletail storage verify ./needletail-data
        needletail storage repair ./needletail-data --dry-run
        needletail storage snapshot
      """,
    subcommands: [
      StorageInspectCommand.self, StorageVerifyCommand.self, StorageRepairCommand.self, StorageSnapshotCommand.self,
    ])
}
