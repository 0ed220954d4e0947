// When a node that knows no cluster may found one. docs/cluster.md says why that cannot happen twice.

import NeedletailEnvironment
import NeedletailTelemetry

/// Whether a node without a topology may found a cluster with its seeds, and who proposes it.
///
/// All seeds have to have answered, with the same list of seeds, empty, with the role of storage, and nobody who is there
/// may know a topology. The shell hands in what comes with the purpose `founding`, tells `.founds` to its register, and
/// calls `tick` at `nextTick`. It is kept after the founding too, to answer those who ask.
package struct Founding: Sendable {
  package enum Action: Hashable, Sendable {
    case send(TopologyMessage, to: PeerAddress)
    /// Not now; told when the reason is another than before.
    case waits(FoundingObstacle)
    /// These found the cluster: `TopologyRegister.setFounders`, and where this node leads, it proposes
    /// `Topology.founding` with them and a `clusterID` that it draws. Told again and again until there is a topology.
    case founds([TopologyMember], leads: Bool)
  }

  private struct Answer: Sendable {
    let record: NodeRecord
    let seeds: Hash128
    let epoch: UInt64
    let time: Int64
  }

  private let record: NodeRecord
  private let seeds: [PeerAddress]
  private let seedsDigest: Hash128
  private let options: FoundingOptions
  /// Where it is not the members that decide, this node only answers.
  private let decider: TopologyDecider
  /// Who else is there, from the members.
  private var others: [PeerAddress] = []
  private var answers: [PeerAddress: Answer] = [:]
  private var topology: Topology?
  private var start: Int64?
  private var askAt: Int64?
  private var told: FoundingObstacle?
  var bug: PlantedTopologyBug?

  /// A node with its list of seeds, in which its own address should be.
  package init(
    _ record: NodeRecord, seeds: [PeerAddress], decider: TopologyDecider = .members, options: FoundingOptions = .init()
  ) {
    self.record = record
    self.seeds = Set(seeds).sorted()
    self.options = options
    self.decider = decider
    var writer = ByteWriter()
    for seed in self.seeds { writer.appendPrefixed(seed.text) }
    // So that nobody who votes takes this node for one that would.
    if decider != .members { writer.append(decider.rawValue) }
    seedsDigest = writer.bytes.withUnsafeBytes { Hash128.of($0) }
  }

  /// When `tick` has to be called again at the latest; nil for never.
  package var nextTick: Int64? { topology == nil && decider == .members ? askAt ?? .min : nil }

  /// The members that are there, without the node itself: none of them may know a cluster.
  package mutating func setOthers(_ addresses: [PeerAddress]) {
    others = Set(addresses).subtracting([record.address]).sorted()
    let asked = Set(others + seeds)
    answers = answers.filter { asked.contains($0.key) }
  }

  /// There is a cluster: nothing more is founded.
  package mutating func learned(_ topology: Topology) {
    self.topology = topology
    answers = [:]
  }

  /// Does what is due at `now`.
  package mutating func tick(now: Int64, using random: inout some RandomNumberGenerator) -> [Action] {
    guard topology == nil, decider == .members else { return [] }
    if start == nil { start = now }
    guard askAt.map({ now >= $0 }) ?? true else { return [] }
    let jitter = Int64.random(in: 0...max(0, options.interval / 4), using: &random)
    askAt = now + options.interval + jitter
    return asked.map { .send(message(.inquire), to: $0) } + judge(now)
  }

  /// Takes in what came from, or as an answer of, an address.
  package mutating func receive(_ message: TopologyMessage, from address: PeerAddress, now: Int64) -> [Action] {
    switch message.body {
    case .inquire: return [.send(self.message(.standing(record, seeds: seedsDigest)), to: address)]
    case .standing(let other, let seeds):
      guard topology == nil, decider == .members, asked.contains(address) else { return [] }
      answers[address] = Answer(record: other, seeds: seeds, epoch: message.sender.epoch, time: now)
      return judge(now)
    default: return []
    }
  }

  private func message(_ body: TopologyMessage.Body) -> TopologyMessage {
    let voter = TopologyVoter(record.node, record.identity)
    let sender = TopologyMessage.Sender(voter: voter, cluster: topology?.clusterID, epoch: topology?.epoch ?? 0)
    return TopologyMessage(sender: sender, body: body)
  }

  /// Whom to ask.
  private var asked: [PeerAddress] { Set(seeds + others).subtracting([record.address]).sorted() }

  // MARK: Judging

  private mutating func judge(_ now: Int64) -> [Action] {
    answers = answers.filter { now - $0.value.time <= options.answerMax }
    switch founders(now) {
    case .failure(let obstacle):
      guard told != obstacle else { return [] }
      told = obstacle
      return [.waits(obstacle)]
    case .success(let founders):
      told = nil
      return [.founds(founders, leads: founders.first?.node == record.node)]
    }
  }

  private enum Judgement {
    case success([TopologyMember])
    case failure(FoundingObstacle)
  }

  private func founders(_ now: Int64) -> Judgement {
    let heard = asked.compactMap { answers[$0] }
    if let knowing = heard.first(where: { $0.epoch > 0 }), bug != .foundsBesideOthers {
      return .failure(.clusterKnown(by: knowing.record.node, epoch: knowing.epoch))
    }
    guard seeds.isEmpty || seeds.contains(record.address) else { return .failure(.notASeed) }
    let silent = asked.filter { answers[$0] == nil }
    guard silent.isEmpty || bug == .foundsWithoutAll else { return .failure(.silent(silent)) }
    let own = Answer(record: record, seeds: seedsDigest, epoch: 0, time: now)
    let found = [own] + seeds.filter { $0 != record.address }.compactMap { answers[$0] }
    if seeds.isEmpty, now - (start ?? now) < options.aloneAfter { return .failure(.listening) }
    if let other = found.first(where: { $0.seeds != seedsDigest }) {
      return .failure(.otherSeeds(other.record.node))
    }
    if let other = found.first(where: { !$0.record.roles.contains(.storage) }) {
      return .failure(.notStorage(other.record.node))
    }
    // Several addresses may lead to one node.
    let voters = Set(found.map { TopologyVoter($0.record.node, $0.record.identity) }).sorted()
    for (one, next) in zip(voters, voters.dropFirst()) where one.node == next.node { return .failure(.alike(one.node)) }
    var identities: Set<NodeIdentity> = []
    if let copy = voters.first(where: { !identities.insert($0.identity).inserted }) {
      return .failure(.alike(copy.node))
    }
    if voters.count > 1, let full = found.first(where: { !$0.record.isEmpty }) {
      return .failure(.notEmpty(full.record.node))
    }
    var members: [NodeID: TopologyMember] = [:]
    for answer in found { members[answer.record.node] = TopologyMember(answer.record) }
    return .success(members.values.sorted { $0.node < $1.node })
  }
}
