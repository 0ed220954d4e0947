import NeedletailTelemetry

extension TopologyMessage.Body {
  var tag: TopologyMessage.Tag {
    switch self {
    case .hello: .hello
    case .topology: .topology
    case .prepare: .prepare
    case .promise: .promise
    case .accept: .accept
    case .accepted: .accepted
    case .refuse: .refuse
    case .inquire: .inquire
    case .standing: .standing
    case .progressAsked: .progressAsked
    case .progress: .progress
    }
  }

  func encode(to writer: inout ByteWriter) {
    switch self {
    case .hello, .inquire, .progressAsked: break
    case .topology(let topology): topology.encode(to: &writer)
    case .prepare(let decision, let ballot), .accepted(let decision, let ballot):
      decision.encode(to: &writer)
      ballot.encode(to: &writer)
    case .promise(let decision, let ballot, let accepted):
      decision.encode(to: &writer)
      ballot.encode(to: &writer)
      writer.append(UInt8(accepted == nil ? 0 : 1))
      accepted?.encode(to: &writer)
    case .accept(let decision, let proposal):
      decision.encode(to: &writer)
      proposal.encode(to: &writer)
    case .refuse(let decision, let ballot, let greater):
      decision.encode(to: &writer)
      ballot.encode(to: &writer)
      greater.encode(to: &writer)
    case .standing(let record, let seeds):
      record.encode(to: &writer)
      writer.append(seeds)
    case .progress(let slots): slots.write(to: &writer)
    }
  }

  init(_ tag: TopologyMessage.Tag, decoding reader: inout ByteReader) throws(MalformedBytes) {
    switch tag {
    case .hello: self = .hello
    case .topology: self = .topology(try Topology(decoding: &reader))
    case .prepare: self = .prepare(try .init(decoding: &reader), try Ballot(decoding: &reader))
    case .promise:
      let (decision, ballot) = (try TopologyMessage.Decision(decoding: &reader), try Ballot(decoding: &reader))
      switch try reader.read(UInt8.self) {
      case 0: self = .promise(decision, ballot, nil)
      case 1: self = .promise(decision, ballot, try Self.proposal(of: decision, &reader))
      default: throw .invalid("unknown flags of a promise")
      }
    case .accept:
      let decision = try TopologyMessage.Decision(decoding: &reader)
      self = .accept(decision, try Self.proposal(of: decision, &reader))
    case .accepted: self = .accepted(try .init(decoding: &reader), try Ballot(decoding: &reader))
    case .refuse:
      self = .refuse(
        try .init(decoding: &reader), try Ballot(decoding: &reader), greater: try Ballot(decoding: &reader))
    case .inquire: self = .inquire
    case .standing: self = .standing(try NodeRecord(decoding: &reader), seeds: try reader.readHash())
    case .progressAsked: self = .progressAsked
    case .progress: self = .progress(try SlotSet(from: &reader))
    }
  }

  private static func proposal(
    of decision: TopologyMessage.Decision, _ reader: inout ByteReader
  ) throws(MalformedBytes) -> TopologyState.Proposal {
    let proposal = try TopologyState.Proposal(decoding: &reader)
    guard proposal.topology.epoch == decision.epoch else { throw .invalid("a proposal of another epoch") }
    return proposal
  }
}

extension TopologyMessage.Decision {
  fileprivate func encode(to writer: inout ByteWriter) {
    writer.append(epoch)
    writer.append(basis)
  }

  fileprivate init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    epoch = try reader.read()
    guard (1...Topology.epochMax).contains(epoch) else { throw .invalid("the epoch of a decision") }
    basis = try reader.readHash()
  }
}
