import NeedletailEnvironment
import NeedletailTelemetry

/// What nodes say to each other about who holds the slots, and its byte form (docs/formats/topology.md).
package struct TopologyMessage: Hashable, Sendable {
  package static let bytesMax = Topology.bytesMax + 2048
  static let version: UInt8 = 1

  /// Who says it, and what that one knows.
  package struct Sender: Hashable, Sendable {
    package let voter: TopologyVoter
    /// Nil as long as it knows none.
    package let cluster: Hash128?
    /// Of the newest topology that it knows; 0 for none.
    package let epoch: UInt64
  }

  /// What is being decided.
  struct Decision: Hashable, Sendable {
    /// Of the topology that is to be.
    let epoch: UInt64
    /// A digest of the topology before it, and for the first of those who found the cluster.
    let basis: Hash128
  }

  enum Body: Hashable, Sendable {
    /// What I know stands in the head: if you know a newer topology, tell me.
    case hello
    /// This one is decided.
    case topology(Topology)
    /// Will you heed this number, and none below it?
    case prepare(Decision, Ballot)
    /// I will. That is what I accepted before.
    case promise(Decision, Ballot, TopologyState.Proposal?)
    /// Accept this one.
    case accept(Decision, TopologyState.Proposal)
    case accepted(Decision, Ballot)
    /// I heed a greater number.
    case refuse(Decision, Ballot, greater: Ballot)
    /// Who are you? Shall we found a cluster?
    case inquire
    /// That is what I am, and a digest of my list of seeds.
    case standing(NodeRecord, seeds: Hash128)
    /// Of which of the slots that the change of this epoch is about do you have all?
    case progressAsked
    case progress(SlotSet)
  }

  /// Whom in the node it is for.
  package enum Purpose: Hashable, Sendable {
    /// `TopologyRegister.receive`.
    case agreement
    /// `Founding.receive`.
    case founding
    /// To be answered with `RingChange.answer` where the node knows the change of that epoch.
    case progressQuestion
    /// `RingChange.receive`.
    case progress
  }

  package let sender: Sender
  let body: Body

  package var purpose: Purpose {
    switch body {
    case .hello, .topology, .prepare, .promise, .accept, .accepted, .refuse: .agreement
    case .inquire, .standing: .founding
    case .progressAsked: .progressQuestion
    case .progress: .progress
    }
  }

  /// The topology that is in it, if any.
  var topology: Topology? {
    switch body {
    case .topology(let topology): topology
    case .promise(_, _, let proposal): proposal?.topology
    case .accept(_, let proposal): proposal.topology
    default: nil
    }
  }

  // MARK: Writing

  package var encoded: [UInt8] {
    var writer = ByteWriter(reserving: 128)
    writer.append(MessageKind.topology.rawValue)
    writer.append(Self.version)
    writer.append(body.tag.rawValue)
    sender.voter.encode(to: &writer)
    writer.append(sender.epoch)
    if let cluster = sender.cluster { writer.append(cluster) }
    body.encode(to: &writer)
    return writer.bytes
  }

  // MARK: Reading

  /// Throws on what no node writes; takes no more memory than a small multiple of the bytes.
  package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    guard bytes.count <= Self.bytesMax else { throw .invalid("a message about the topology is too long") }
    self = try bytes.withReader { (reader) throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == MessageKind.topology.rawValue else {
        throw .invalid("another kind of message")
      }
      guard try reader.read(UInt8.self) == Self.version else { throw .invalid("an unknown version of a message") }
      guard let tag = Tag(rawValue: try reader.read()) else { throw .invalid("an unknown message about the topology") }
      let voter = try TopologyVoter(decoding: &reader)
      let epoch = try reader.read(UInt64.self)
      guard epoch <= Topology.epochMax else { throw .invalid("the epoch of a message") }
      let sender = Sender(voter: voter, cluster: epoch == 0 ? nil : try reader.readHash(), epoch: epoch)
      let message = TopologyMessage(sender: sender, body: try Body(tag, decoding: &reader))
      try reader.expectEnd()
      return message
    }
  }

  init(sender: Sender, body: Body) {
    self.sender = sender
    self.body = body
  }

  enum Tag: UInt8 {
    case hello = 1
    case topology = 2
    case prepare = 3
    case promise = 4
    case accept = 5
    case accepted = 6
    case refuse = 7
    case inquire = 8
    case standing = 9
    case progressAsked = 10
    case progress = 11
  }
}
