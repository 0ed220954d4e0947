import ArgumentParser

/// `needletail storage snapshot`.
struct StorageSnapshotCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "snapshot",
    abstract: "Have a server make a snapshot of its data folder, and print its name.",
    discussion: """
      The snapshot lies in the server's data folder, in snapshots/NAME, and is a data folder by itself: copy it to \
      another disk for a backup, and serve the copy to restore it. It takes hardly any space until its parts are \
      replaced; delete its folder when it is no longer needed.

      EXAMPLES
        needletail storage snapshot
        needletail storage snapshot --server https://metrics.example.org:7070
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  static let path = "/api/v1/admin/tsdb/snapshot"

  func run() async throws {
    let body = try await connection.client().post(Self.path)
    if output == .json { return Console.printExactly(body) }
    Console.print(try Answers.snapshot(body, path: Self.path))
    for warning in try Answers.warnings(body, path: Self.path) { Console.complain(warning, prefix: "warning: ") }
  }
}
