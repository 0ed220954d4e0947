import NeedletailTelemetry

/// What a node has to keep of the topology: on the disk that its identity belongs to, so that it shares its fate.
///
/// A node whose state cannot be read may have promised something that it does not know of any more. It has to be taken
/// for one with a new disk, and gets a new identity.
package struct TopologyState: Hashable, Sendable {
  package static let bytesMax = 2 * Topology.bytesMax + 1024
  static let version: UInt8 = 1

  /// A topology that somebody wants to be the next one.
  struct Proposal: Hashable, Sendable {
    let ballot: Ballot
    let topology: Topology
  }

  /// The newest one that is decided, as far as the node knows; nil before it knows any.
  package internal(set) var topology: Topology?
  /// The greatest number of an attempt to decide on the next one that the node heeds.
  var promised: Ballot?
  /// What it accepted last as the next one.
  var accepted: Proposal?

  /// A node that knows nothing.
  package init() {}

  init(knowing topology: Topology) { self.topology = topology }

  package var epoch: UInt64 { topology?.epoch ?? 0 }

  // MARK: Byte form (docs/formats/topology.md)

  /// The byte form, with a checksum.
  package var encoded: [UInt8] {
    var writer = ByteWriter(reserving: 512)
    writer.append(Self.version)
    let flags: [Bool] = [topology != nil, promised != nil, accepted != nil]
    writer.append(flags.enumerated().reduce(UInt8(0)) { $1.element ? $0 | 1 << UInt8($1.offset) : $0 })
    topology?.encode(to: &writer)
    promised?.encode(to: &writer)
    accepted?.encode(to: &writer)
    writer.append(writer.bytes.withUnsafeBytes { xxHash64($0) })
    return writer.bytes
  }

  /// Reads one; throws where the bytes are not whole.
  package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    guard bytes.count <= Self.bytesMax else { throw .invalid("the state of a topology is too long") }
    guard bytes.count >= MemoryLayout<UInt64>.size else { throw .truncated }
    self = try bytes.withReader { (reader) throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == Self.version else { throw .invalid("an unknown version of a state") }
      let flags = try reader.read(UInt8.self)
      guard flags < 8 else { throw .invalid("unknown flags of a state") }
      var state = TopologyState()
      if flags & 1 != 0 { state.topology = try Topology(decoding: &reader) }
      if flags & 2 != 0 { state.promised = try Ballot(decoding: &reader) }
      if flags & 4 != 0 { state.accepted = try Proposal(decoding: &reader) }
      let checksum = bytes.withUnsafeBytes { xxHash64(UnsafeRawBufferPointer(rebasing: $0[..<reader.offset])) }
      guard try reader.read() == checksum else { throw .invalid("the state of a topology is damaged") }
      try reader.expectEnd()
      guard state.accepted.map({ $0.topology.epoch == state.epoch + 1 }) ?? true else {
        throw .invalid("a state that accepted another epoch")
      }
      return state
    }
  }
}

extension TopologyState.Proposal {
  func encode(to writer: inout ByteWriter) {
    ballot.encode(to: &writer)
    topology.encode(to: &writer)
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    ballot = try Ballot(decoding: &reader)
    topology = try Topology(decoding: &reader)
  }
}
