import NeedletailTelemetry

/// What a member says of its own replicas, to whoever asks for an operator.
package struct MemberReport: Equatable, Sendable {
  /// What it is asked.
  package enum Question: UInt8, Sendable {
    case report = 0
    /// To compare all its slots with their other replicas out of turn, and then to report.
    case repair = 1
  }

  private static let version: UInt8 = 3
  /// That of earlier programs, which knew neither what kind of difference was found nor what was refused.
  private static let oldVersion: UInt8 = 2

  /// The newest topology that it has on disk; 0 for none.
  package var epoch: UInt64
  /// The slots that it holds, or is to hold, and that are not whole on it yet.
  package var unready: SlotSet
  /// Others that it is to compare before the change under way is committed, and has not (`KeptSlots`).
  package var uncompared: SlotSet = []
  /// Comparisons of its replicas that were asked for out of turn and have not ended.
  package var waiting: UInt64 = 0
  /// Since it was started: those that were finished, those given up, and of the finished ones those that found a
  /// difference in what has settled.
  package var finished: UInt64 = 0
  package var failed: UInt64 = 0
  package var different: UInt64 = 0
  /// Of the others those that found one in what belongs to no time, and those that found one only where rows are on their
  /// way.
  package var differentTimeless: UInt64 = 0
  package var differentRecent: UInt64 = 0
  /// Descriptions of metrics for which it had no room.
  package var descriptionsRefused: UInt64 = 0
  /// How many were asked for by this question.
  package var asked: UInt64 = 0

  package init(epoch: UInt64, unready: SlotSet) {
    self.epoch = epoch
    self.unready = unready
  }

  /// Its byte form (docs/formats/peer.md).
  package var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.append(Self.version)
    for number in [epoch, waiting, finished, failed, different, asked] { writer.appendVarint(number) }
    unready.write(to: &writer)
    uncompared.write(to: &writer)
    for number in [differentTimeless, differentRecent, descriptionsRefused] { writer.appendVarint(number) }
    return writer.bytes
  }

  package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    self = try bytes.withReader { reader throws(MalformedBytes) in
      let version = try reader.read(UInt8.self)
      guard version == Self.version || version == Self.oldVersion else {
        throw .invalid("a report of an unknown version")
      }
      var report = MemberReport(epoch: try reader.readVarint(), unready: [])
      report.waiting = try reader.readVarint()
      report.finished = try reader.readVarint()
      report.failed = try reader.readVarint()
      report.different = try reader.readVarint()
      report.asked = try reader.readVarint()
      report.unready = try SlotSet(from: &reader)
      report.uncompared = try SlotSet(from: &reader)
      if version == Self.version {
        report.differentTimeless = try reader.readVarint()
        report.differentRecent = try reader.readVarint()
        report.descriptionsRefused = try reader.readVarint()
      }
      try reader.expectEnd()
      return report
    }
  }
}
