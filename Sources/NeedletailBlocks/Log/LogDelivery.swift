/// Hands records over to the engines and keeps count of what became of them.
struct LogDelivery {
  private let kinds: Set<LogRecordKind>
  private var records: UInt64 = 0
  private var bytes: UInt64 = 0
  private var refusals: [String] = []
  /// Records that were refused, and what could not be read a second time.
  var damages: [LogDamage] = []
  /// The files that hold a record that was refused.
  private(set) var refused: Set<LogSegmentID> = []
  /// The first record of a kind that nobody knows; none is to be handed over from there on.
  private(set) var unknownKind: (segment: LogSegmentID, kind: LogRecordKind)?

  private static let refusalsMax = 100

  /// Knows these kinds of records.
  init(kinds: Set<LogRecordKind>) { self.kinds = kinds }

  /// Hands a record over.
  mutating func hand(
    _ header: LogRecordHeader, _ segment: LogSegmentID, _ range: Range<UInt64>, _ payload: UnsafeRawBufferPointer,
    to deliver: LogReplay.Receiver
  ) {
    let kind = LogRecordKind(rawValue: header.kind)
    guard kinds.contains(kind) else {
      unknownKind = (segment, kind)
      return
    }
    do {
      try deliver(kind, payload)
      records += 1
      bytes += UInt64(payload.count)
    } catch {
      refused.insert(segment)
      damages.append(LogDamage(segment: segment, range: range, sequences: header.sequence...header.sequence))
      if refusals.count < Self.refusalsMax {
        refusals.append("record \(header.sequence) in \(segment): \(error)")
      }
    }
  }

  /// Writes down what became of the records.
  func conclude(_ outcome: inout LogReplay.Outcome) {
    outcome.unknownKind = unknownKind
    outcome.report.records = records
    outcome.report.bytes = bytes
    outcome.report.refusals = refusals
    outcome.report.damages += damages
  }
}
