import ArgumentParser
import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTerminal

/// `needletail storage repair DIR`.
struct StorageRepairCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair",
    abstract: "Repair what can be repaired in a data folder that no server has open.",
    discussion: """
      Verifies the folder, prints a plan and carries it out. Parts that cannot be opened go to quarantine/, and a \
      catalog that is lost or damaged is made anew from its mirror or, where that is gone too, from the parts. Nothing is deleted, unless --remove-leftovers asks \
      for it. A repair that is interrupted is simply begun again. Make a copy of the folder first all the same.

      EXAMPLES
        needletail storage repair ./needletail-data --dry-run
        needletail storage repair ./needletail-data
      """)

  @Argument(help: "The data folder.")
  var folder: String

  @Flag(help: "Print the plan, and change nothing.")
  var dryRun = false

  @Flag(
    help: "Also delete folders of parts that the catalog let go of or never had, as the next start of a server does.")
  var removeLeftovers = false

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  func run() async throws {
    PrivateFiles.enforce()
    let access = try FolderAccess(folder, holder: "needletail storage repair", writes: true)
    defer { access.close() }
    let survey = try access.survey()
    let plan = try FolderAccess.failing { () throws(FileError) in
      StorageRepairPlan(
        survey, try access.inspector.verify(survey, check: FolderAccess.check), freshID: Self.freshID(),
        removesLeftovers: removeLeftovers)
    }
    if output == .json {
      Console.print(StorageReport.json(plan, isDone: !dryRun).serialized)
    } else {
      Console.print(Self.lines(plan, isDry: dryRun))
    }
    if dryRun { return }
    do throws(StorageRepairError) {
      try access.repair.run(plan)
    } catch {
      throw CommandFailure(message: "the repair ended early, and can be begun again: \(error)")
    }
    if output == .table, !plan.steps.isEmpty { Console.print("done; `needletail storage verify` tells what is left") }
  }

  private static func lines(_ plan: StorageRepairPlan, isDry: Bool) -> [StyledText] {
    let nothing = plan.remarks.isEmpty ? "nothing to repair" : "nothing that a repair can mend"
    let title = plan.steps.isEmpty ? nothing : isDry ? "a repair would do this" : "the repair does this"
    return [StyledText(TerminalText(title), .heading)]
      + plan.steps.map { StyledText(TerminalText("- \($0)", limit: 4_000)) }
      + plan.remarks.map { StyledText(TerminalText("note: \($0)", limit: 4_000), .faint) }
  }

  /// 32 hexadecimal digits that no folder has yet.
  private static func freshID() -> String {
    let random = SystemRandomSource()
    return PartID(random.next()).folderName + PartID(random.next()).folderName
  }
}
