import NeedletailTelemetry

/// The number of an attempt to have something decided: the greatest that anybody has promised to heed counts.
///
/// No two attempts have the same: a node stores a number as its own promise before anybody hears of it, and the number
/// has its name and its disk in it.
package struct Ballot: Hashable, Comparable, Sendable {
  static let roundMax: UInt64 = 1 << 53

  let round: UInt64
  let voter: TopologyVoter

  package static func < (left: Ballot, right: Ballot) -> Bool {
    left.round != right.round ? left.round < right.round : left.voter < right.voter
  }

  func encode(to writer: inout ByteWriter) {
    writer.appendVarint(round)
    voter.encode(to: &writer)
  }

  init(round: UInt64, voter: TopologyVoter) {
    self.round = round
    self.voter = voter
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    round = try reader.readVarint()
    guard round <= Self.roundMax else { throw .invalid("the round of a ballot") }
    voter = try TopologyVoter(decoding: &reader)
  }
}
