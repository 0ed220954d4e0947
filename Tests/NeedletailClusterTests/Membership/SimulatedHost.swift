import NeedletailEnvironment

@testable import NeedletailCluster

/// A machine with an address on which a node runs, or ran.
///
/// A class, so that nothing of it is copied for being looked at.
final class SimulatedHost {
  let address: PeerAddress
  let record: NodeRecord
  var membership: Membership?
  /// The last state of a process that was refused, left or was killed.
  var ended: Membership?
  /// Counts the starts, so that what was meant for an earlier process does not reach a later one's timer.
  var start = 0
  /// Which of its timer events is the one that counts.
  var timer = 0
  var pausedUntil: Int64?
  /// Whether what comes while it is paused is lost.
  var isDeaf = false
  /// What came while it was paused.
  var waiting: [(bytes: [UInt8], from: PeerAddress)] = []
  /// Its clock: what it shows at time 0, and how many millionths it is too fast.
  let clockOffset: Int64
  let clockError: Int64
  /// How much later all that it sends and gets arrives.
  var slowness: Int64 = 0
  var random: SeededGenerator
  /// Bytes and messages sent.
  var sentBytes = 0
  var sentMessages = 0

  init(_ record: NodeRecord, clockOffset: Int64, clockError: Int64, random: SeededGenerator) {
    address = record.address
    self.record = record
    self.clockOffset = clockOffset
    self.clockError = clockError
    self.random = random
  }

  var node: NodeID { record.node }
  var isRunning: Bool { membership?.isRunning == true }
  var refusal: MembershipRefusal? { membership.map(\.refusal) ?? ended?.refusal }

  func localTime(_ time: Int64) -> Int64 { clockOffset + time + time / 1_000_000 * clockError }

  /// The first instant at which its clock shows `local` or later.
  func time(ofLocal local: Int64, after now: Int64) -> Int64 {
    var time = max(now, local - clockOffset - (local - clockOffset) / (1_000_000 + clockError) * clockError)
    while localTime(time) < local { time += 1000 }
    return time
  }

  /// Lets its node do something, if it runs.
  func act(
    _ now: Int64, _ body: (inout Membership, Int64, inout SeededGenerator) -> [MembershipAction]
  ) -> [MembershipAction]? {
    // Moved out and in, so that the view is changed in place.
    guard var membership = membership.take() else { return nil }
    defer { self.membership = membership }
    return body(&membership, now, &random)
  }
}
