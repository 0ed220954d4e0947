import ArgumentParser
import NeedletailEnvironment

/// `needletail storage inspect DIR`.
struct StorageInspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Say what is in a data folder: parts, log, and what does not belong there.",
    discussion: """
      EXAMPLES
        needletail storage inspect ./needletail-data
        needletail storage inspect ./needletail-data --output json | jq .parts
      """)

  @Argument(help: "The data folder.")
  var folder: String

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  func run() async throws {
    let access = try FolderAccess(folder, holder: "needletail storage inspect", writes: false)
    defer { access.close() }
    let survey = try FolderAccess.failing { () throws(FileError) in try access.inspector.survey() }
    let report = StorageReport(survey: survey, isInUse: access.isInUse)
    switch output {
    case .json: Console.print(report.json.serialized)
    case .table: Console.print(report.table(columns: Console.columns))
    }
  }
}
