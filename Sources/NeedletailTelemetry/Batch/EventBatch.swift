/// Log records or spans of one tenant, as flat columns: what a receiver makes of a request, the log appends as it is and replicas
/// receive. Unlike a batch of samples it stands alone: its streams (resource and scope) travel with it.
package struct EventBatch: Sendable {
  enum ColumnKind {
    static let streams: UInt8 = 1
    static let streamIndices: UInt8 = 2
    static let times: UInt8 = 3
    static let secondTimes: UInt8 = 4
    static let contentIDs: UInt8 = 5
    static let traceIDs: UInt8 = 6
    static let spanIDs: UInt8 = 7
    static let parentSpanIDs: UInt8 = 8
    static let kinds: UInt8 = 9
    static let statuses: UInt8 = 10
    static let flags: UInt8 = 11
    static let nameEnds: UInt8 = 12
    static let nameBytes: UInt8 = 13
    static let textEnds: UInt8 = 14
    static let textBytes: UInt8 = 15
    static let bodyEnds: UInt8 = 16
    static let bodyBytes: UInt8 = 17
    static let attributeEnds: UInt8 = 18
    static let attributeBytes: UInt8 = 19
    static let nestedEnds: UInt8 = 20
    static let nestedBytes: UInt8 = 21
    static let stateEnds: UInt8 = 22
    static let stateBytes: UInt8 = 23
  }

  package let frame: Frame
  package let streamCount: Int

  package var tenant: TenantID { frame.tenant }
  package var isSpans: Bool { frame.kind == .spans }
  package var rowCount: Int { frame.rowCount }

  /// Checks the columns' shapes against each other, so that reading a row cannot leave them. What lies inside a row's bytes is
  /// checked when it is read.
  package init(validating frame: Frame) throws(MalformedBytes) {
    guard frame.kind == .logs || frame.kind == .spans else { throw .invalid("not a batch of events") }
    var problem: MalformedBytes?
    var streams = 0
    frame.bytes.withUnsafeBytes { bytes in
      do throws(MalformedBytes) { streams = try Self.validate(frame, bytes) } catch { problem = error }
    }
    if let problem { throw problem }
    self.frame = frame
    streamCount = streams
  }

  private static func validate(_ frame: Frame, _ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) -> Int {
    var reader = ByteReader(frame.column(ColumnKind.streams, in: bytes))
    var streams = 0
    while !reader.isAtEnd {
      _ = try reader.readPrefixed()
      streams += 1
    }
    let fixed: [(UInt8, Int)] = [
      (ColumnKind.streamIndices, 4), (ColumnKind.times, 8), (ColumnKind.secondTimes, 8), (ColumnKind.contentIDs, 16),
      (ColumnKind.traceIDs, 16), (ColumnKind.spanIDs, 8), (ColumnKind.parentSpanIDs, 8), (ColumnKind.kinds, 1),
      (ColumnKind.statuses, 1), (ColumnKind.flags, 4),
    ]
    for (kind, width) in fixed where frame.column(kind, in: bytes).count != frame.rowCount * width {
      throw .invalid("an event column and the rows disagree")
    }
    let indices = frame.column(ColumnKind.streamIndices, in: bytes)
    for row in 0..<frame.rowCount where Int(word(indices, row)) >= streams {
      throw .invalid("an event names no stream")
    }
    for kind in [
      ColumnKind.nameEnds, ColumnKind.textEnds, ColumnKind.bodyEnds, ColumnKind.attributeEnds, ColumnKind.nestedEnds,
      ColumnKind.stateEnds,
    ] {
      try validate(ends: frame.column(kind, in: bytes), of: frame.column(kind + 1, in: bytes), rows: frame.rowCount)
    }
    return streams
  }

  private static func validate(
    ends: UnsafeRawBufferPointer, of values: UnsafeRawBufferPointer, rows: Int
  ) throws(MalformedBytes) {
    if ends.isEmpty && values.isEmpty { return }
    guard ends.count == rows * 4 else { throw .invalid("ends and rows disagree") }
    var previous: UInt32 = 0
    for row in 0..<rows {
      let end = word(ends, row)
      guard end >= previous, Int(end) <= values.count else { throw .invalid("ends are out of bounds") }
      previous = end
    }
  }

  private static func word(_ column: UnsafeRawBufferPointer, _ row: Int) -> UInt32 {
    UInt32(littleEndian: column.loadUnaligned(fromByteOffset: row * 4, as: UInt32.self))
  }

  /// Reads the rows in place.
  package func withRows<Result>(_ body: (EventRows) throws -> Result) rethrows -> Result {
    try frame.bytes.withUnsafeBytes { try body(EventRows(frame, $0)) }
  }
}
