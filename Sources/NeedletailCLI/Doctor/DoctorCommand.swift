import ArgumentParser

/// `needletail doctor`.
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Ask all members how they are, and name what was dropped, where, why, and what to do.",
    discussion: """
      One node is asked; it asks the others. Counts are since each node was started. A node that belongs to no cluster is \
      asked the same.

      EXIT CODES
        0  healthy: there is nothing to do
        1  there is something to do: each finding says what
        2  nobody could be asked

      EXAMPLES
        needletail doctor
        needletail doctor --server http://127.0.0.1:17070
        needletail doctor --output json
      """)

  /// The status where nobody could be asked.
  static let troubleCode: Int32 = 2

  @OptionGroup var connection: ConnectionOptions

  @Option(help: ArgumentHelp("The same as --server.", valueName: "url"))
  var url: String?

  @Option(name: [.long, .customLong("format")], help: "How to print the answer.")
  var output: ReportFormat = .table

  func validate() throws {
    if let url { _ = try ServerURL(url) }
  }

  func run() async throws {
    let report: DoctorReport
    do {
      var connection = connection
      if let url { connection.server = url }
      report = DoctorReport(try await Self.ask(try connection.client()))
    } catch let failure as APIFailure {
      throw CommandFailure(message: failure.description, code: Self.troubleCode)
    } catch var failure as CommandFailure {
      failure.code = Self.troubleCode
      throw failure
    }
    if output == .json {
      Console.print(report.json.serialized)
    } else {
      Console.print(report.lines(columns: Console.tableColumns))
    }
    if !report.isHealthy { throw ExitCode(1) }
  }

  /// What there is to go by.
  private static func ask(_ client: APIClient) async throws -> Diagnosis {
    let ledger = try LedgerState(try await client.get(LedgerState.path, [("scope", "cluster")]))
    var cluster: ClusterState?
    do {
      cluster = try await ClusterCommand.state(client)
    } catch APIFailure.refused(404, _, _) {
      cluster = nil
    }
    let now = WallClock.now()
    // Their own counts are the senders' to send; where none can be asked for, the rest still counts.
    let body = try? await client.instantBody(SenderLoss.query, at: now)
    let senders = try body.map { try SenderLoss.all($0, path: APIClient.instantPath) } ?? []
    return Diagnosis(cluster: cluster, ledger: ledger, senders: senders, now: Int(now / 1_000_000_000))
  }
}
