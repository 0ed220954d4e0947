import ArgumentParser
import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTerminal

/// `needletail storage verify DIR`.
struct StorageVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read all of a data folder and compare it with every checksum; ends with 1 where one does not hold.",
    discussion: """
      Names the file and the place of each damage. In a folder that a server has open the end of the log, which is \
      being written, is not judged.

      EXAMPLES
        needletail storage verify ./needletail-data
        needletail storage verify ./needletail-data --output json

      EXIT CODES
        0  every checksum holds
        1  something is damaged
        2  there is no such data folder, or it cannot be read, or not by this version
      """)

  /// The status where nothing is known of the folder, as of grep and cmp.
  static let troubleCode: Int32 = 2

  @Argument(help: "The data folder.")
  var folder: String

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  func run() async throws {
    let (verification, losses): (StorageVerification, [String])
    do {
      (verification, losses) = try verify()
    } catch var failure as CommandFailure {
      failure.code = Self.troubleCode
      throw failure
    }
    if output == .json {
      Console.print(StorageReport.json(verification, losses: losses).serialized)
    } else {
      Console.print(
        verification.damages.map { StyledText(TerminalText($0.description, limit: 4_000), .error) }
          + losses.map {
            StyledText(TerminalText("note: \($0); answers say so until a repair takes note", limit: 4_000), .faint)
          }
          + [StyledText(StorageReport.conclusion(verification))])
    }
    if !verification.damages.isEmpty { throw ExitCode(1) }
  }

  /// Throws `CommandFailure`.
  private func verify() throws -> (StorageVerification, losses: [String]) {
    let access = try FolderAccess(folder, holder: "needletail storage verify", writes: false)
    defer { access.close() }
    let survey = try access.survey()
    let verification = try FolderAccess.failing { () throws(FileError) in
      try access.inspector.verify(survey, check: FolderAccess.check)
    }
    return (verification, survey.notedDamages.map(\.loss))
  }
}
