import ArgumentParser

/// `needletail cluster set [NODE]`.
struct ClusterSetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Change the weight and zone of a member, or how many members hold each slot and take a write.",
    discussion: """
      What the cluster has agreed on counts from then on, and not what a node was started with. Slots move while all \
      goes on, as with add and drain; with fewer replicas those that stay are compared first. Try --dry-run before: it \
      says how much will move.

      EXAMPLES
        needletail cluster set n3 --weight 4 --dry-run
        needletail cluster set n3 --zone east --watch
        needletail cluster set n3 --no-zone
        needletail cluster set --replication 5 --dry-run
        needletail cluster set --replication 3 --write-quorum quorum
        needletail cluster set --write-quorum all
      """)

  @Argument(help: "The name of the node whose weight or zone is to change. (default: none)")
  var node: String?

  @Option(help: "How much the node holds, relative to the others: a whole number from 1 on.")
  var weight: String?

  @Option(help: "What fails together with the node.")
  var zone: String?

  @Flag(help: "The node fails alone.")
  var noZone = false

  @Option(help: "How many members hold each slot.")
  var replication: Int?

  @Option(
    help: ArgumentHelp(
      "How many of them take a write: one, quorum, all or a number.", valueName: "one|quorum|all|number"))
  var writeQuorum: String?

  @OptionGroup var change: ClusterChangeOptions

  static let replicationMax = 15

  func validate() throws {
    let isOfNode = weight != nil || zone != nil || noZone
    let isOfAll = replication != nil || writeQuorum != nil
    guard isOfNode || isOfAll else {
      throw ValidationError("nothing to set: --weight or --zone of a node, or --replication or --write-quorum of all")
    }
    if isOfNode, isOfAll {
      throw ValidationError(
        "--weight and --zone are of one node, --replication and --write-quorum of all: one at a time")
    }
    if isOfNode, node == nil { throw ValidationError("--weight and --zone are of one node: name it") }
    if isOfAll, node != nil { throw ValidationError("--replication and --write-quorum are of all nodes: name none") }
    if noZone, zone != nil { throw ValidationError("--no-zone takes the zone away that --zone would give") }
    if let weight, UInt32(weight).map({ $0 == 0 }) ?? true {
      throw ValidationError("--weight \(weight) is no whole number from 1 to \(UInt32.max)")
    }
    if let zone, zone.isEmpty { throw ValidationError("--zone '' names none: --no-zone takes it away") }
    if let replication, !(1...Self.replicationMax).contains(replication) {
      throw ValidationError("--replication \(replication) is not between 1 and \(Self.replicationMax)")
    }
    if let writeQuorum, !["one", "quorum", "all"].contains(writeQuorum) {
      guard let number = Int(writeQuorum), (1...(replication ?? Self.replicationMax)).contains(number) else {
        throw ValidationError(
          "--write-quorum \(writeQuorum) is none of one, quorum, all, and no number from 1 to that of the replicas")
      }
    }
  }

  /// What the server is told.
  var parameters: [(String, String)] {
    var parameters: [(String, String)] = []
    if let node { parameters.append(("node", node)) }
    if let weight { parameters.append(("weight", "\(weight)")) }
    if let zone { parameters.append(("zone", zone)) }
    if noZone { parameters.append(("zone", "")) }
    if let replication { parameters.append(("replication", "\(replication)")) }
    if let writeQuorum { parameters.append(("write_quorum", writeQuorum)) }
    return parameters
  }

  func run() async throws {
    try await change.ask("set", parameters)
  }
}
