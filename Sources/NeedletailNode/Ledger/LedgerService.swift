import NeedletailCluster
import NeedletailEnvironment

/// What a node tells of all that it took in and of its health, and what the other members of its cluster tell of
/// theirs.
struct LedgerService: Sendable {
  /// How long another node may take to tell.
  private static let timeout = Duration.seconds(5)

  /// A member's ledger, and how far its clock is from this node's.
  struct Told: Sendable {
    var ledger: NodeLedger
    /// How much later it is there, in ns; known to half of `roundTrip`.
    var clockOffset: Int64 = 0
    /// How long the answer took, in ns; 0 for this node.
    var roundTrip: Int64 = 0
  }

  /// A member that tells nothing.
  struct Silent: Sendable {
    var node: String
    var reason: String
  }

  let ingest: IngestService
  let cluster: ClusterNode?
  let complaints: PeerComplaints
  let health: NodeHealth
  let clock: any WallClock
  let startedNanoseconds: Int64

  /// That of this node.
  func own() async -> NodeLedger {
    var ledger = NodeLedger(
      node: cluster?.view.own.rawValue ?? "", now: clock.wallNanoseconds(), started: startedNanoseconds)
    ledger.accounts = ingest.ledger.accounts.map { NodeLedger.Account($0.key, $0.account) }
    ledger.facts = await health.facts()
    ledger.remarks = health.remarks
    ledger.facts["tls_failures_caller"] = complaints.count(.caller)
    ledger.facts["tls_failures_called"] = complaints.count(.called)
    guard let cluster else { return ledger }
    let (copies, hints) = await cluster.writing.ledger()
    ledger.copies = copies.sorted.map { NodeLedger.Copies($0.key, $0.account) }
    ledger.hints = hints
    let repair = await cluster.repair.status()
    ledger.facts.merge([
      "messages_dropped": cluster.channels.dropped + cluster.member.dropped, "slots": repair.slots,
      "slots_unready": repair.unready, "repair_stores_failed": repair.counts.storesFailed,
      "repair_records_failed": repair.counts.recordsFailed, "repair_damages": repair.counts.damages,
    ]) { $1 }
    return ledger
  }

  /// Those of all members that are there, by name, and those that tell nothing.
  func all() async -> (told: [Told], silent: [Silent]) {
    guard let cluster else { return ([Told(ledger: await own())], []) }
    let members = await cluster.member.members.filter { $0.status.isPresent || $0.status == .dead }
    return await withTaskGroup(of: Result<Told, SilentError>.self) { group in
      for member in members {
        group.addTask { await ask(member.node, cluster) }
      }
      var (told, silent): ([Told], [Silent]) = ([], [])
      for await answer in group {
        switch answer {
        case .success(let one): told.append(one)
        case .failure(let error): silent.append(error.silent)
        }
      }
      return (
        told.sorted { $0.ledger.node.utf8.lexicographicallyPrecedes($1.ledger.node.utf8) },
        silent.sorted { $0.node.utf8.lexicographicallyPrecedes($1.node.utf8) }
      )
    }
  }

  private struct SilentError: Error { var silent: Silent }

  private func ask(_ node: NodeID, _ cluster: ClusterNode) async -> Result<Told, SilentError> {
    if node == cluster.view.own { return .success(Told(ledger: await own())) }
    func silent(_ reason: String) -> Result<Told, SilentError> {
      .failure(SilentError(silent: Silent(node: node.rawValue, reason: reason)))
    }
    guard let channel = cluster.view.channel(to: node) else { return silent("no way to it is known") }
    let (before, begun) = (clock.wallNanoseconds(), clock.monotonicNanoseconds())
    do {
      let bytes = try await channel.call(.ledger, [], within: Self.timeout, answerBytesMax: NodeLedger.bytesMax)
      let took = max(0, clock.monotonicNanoseconds() &- begun)
      var ledger = try NodeLedger(decoding: bytes)
      // Whose it is is known here; what it says of its own name does not count.
      ledger.node = node.rawValue
      return .success(
        Told(ledger: ledger, clockOffset: ledger.now &- (before &+ took / 2), roundTrip: took))
    } catch {
      return silent("\(error)")
    }
  }
}
