import ArgumentParser
import NeedletailBlocks

/// `needletail cluster verify`.
struct ClusterVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Have all replicas compared, and wait until they are whole and agree.",
    discussion: """
      Rounds are asked for until one finds no difference; those before settle what they find. A round is many \
      comparisons, each of one slot between two of its holders. The hours that are being written are compared too, \
      and what differs there is brought, but does not count: rows are always on their way to some replica.

      EXIT CODES
        0  every replica of every slot is whole, and a round found no difference in what has settled
        1  that is not so, or it cannot be told: the reason is named

      EXAMPLES
        needletail cluster verify
        needletail cluster verify --within 1h
      """)

  @Option(help: ArgumentHelp("How long to wait for all of it, such as 10m.", valueName: "duration"))
  var within = "10m"

  @Option(help: "How many rounds to ask for.")
  var rounds = 3

  @OptionGroup var connection: ConnectionOptions

  @Option(help: "How to print the answer.")
  var output: ReportFormat = .table

  private static let period = Duration.seconds(1)

  func validate() throws {
    guard let nanoseconds = TimeSpan.nanoseconds(within), nanoseconds > 0 else {
      throw ValidationError("--within '\(within)' is not a duration above zero; write it as 10m or 1h")
    }
    guard (1...100).contains(rounds) else { throw ValidationError("--rounds \(rounds) is not between 1 and 100") }
  }

  func run() async throws {
    let client = try connection.client()
    let deadline = ContinuousClock.now + .nanoseconds(TimeSpan.nanoseconds(within) ?? 0)
    for round in 1...rounds {
      let before = try await ClusterCommand.state(client)
      let asked = try await ClusterRepairCommand.ask(client, node: nil).count
      let found = try await wait(
        for: ClusterVerification(asked: asked, before: before), client, until: deadline)
      tell(round: round, slots: before.slots, asked: asked, found)
      // Once more where something was brought to the newest hours: where nobody writes the next round finds nothing.
      if found.isVerified, found.recent == 0 || round > 1 || round == rounds { return }
    }
    throw CommandFailure(
      message:
        "not verified: round \(rounds) still found differences, or could not finish; `needletail cluster status` "
        + "and --rounds may tell more")
  }

  /// Waits for a round; throws what it fails with, or waits for in vain.
  private func wait(
    for verification: ClusterVerification, _ client: APIClient, until deadline: ContinuousClock.Instant
  ) async throws -> ClusterVerification.Found {
    while true {
      switch verification.standing(try await ClusterCommand.state(client)) {
      case .done(let found): return found
      case .impossible(let reason): throw CommandFailure(message: "not verified: \(reason)")
      case .waiting(let reason):
        guard ContinuousClock.now < deadline else {
          throw CommandFailure(message: "not verified within \(within): \(reason)")
        }
      }
      try await Task.sleep(for: Self.period)
    }
  }

  private func tell(round: Int, slots: Int, asked: Int, _ found: ClusterVerification.Found) {
    if output == .json {
      let numbers = [
        ("round", round), ("slots", slots), ("comparisons", asked), ("different", found.different),
        ("differentDescriptions", found.descriptions), ("differentRecent", found.recent), ("failed", found.failed),
      ]
      let members = Dictionary(uniqueKeysWithValues: numbers.map { ($0.0, JSON.number("\($0.1)")) })
      return Console.print(JSON.object(members).serialized)
    }
    Console.print("round \(round), \(Counted.text(asked, "comparison")): \(found.words(slots: slots))")
  }
}

extension ClusterVerification.Found {
  /// The same in words.
  func words(slots: Int) -> String {
    var words =
      isVerified
      ? "no difference: every replica of \(Counted.text(slots, "slot")) is whole and agrees"
      : "\(Counted.text(different + (full.isEmpty ? descriptions : 0), "difference")) settled, "
        + "\(Counted.text(failed, "comparison")) given up"
    if recent > 0 {
      words += "; \(recent) differed only in the hours that are being written, and what was missing there was brought"
    }
    if descriptions > 0, !full.isEmpty {
      words +=
        "; \(descriptions) differ in descriptions of metrics, for which \(full.joined(separator: ", ")) "
        + "\(full.count == 1 ? "has" : "have") no room left"
    }
    return words
  }
}
