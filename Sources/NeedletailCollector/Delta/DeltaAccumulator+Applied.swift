import NeedletailTelemetry
import NeedletailWire

extension DeltaAccumulator {
  /// What points came to, and how to take it back.
  package struct Applied: Sendable {
    /// A sample of a total.
    ///
    /// That of a series that begins may be two: zero at its start, and the first total.
    package struct Row: Equatable, Sendable {
      package let series: SeriesID
      package let start: Int64
      package let time: Int64
      package let total: DeltaValue
      /// Whether a zero stands at the start.
      package let hasZero: Bool
      /// Whether it is the first row of its sender's point.
      package let beginsPoint: Bool
      /// The row of the same series before this one; below zero, the state that was there before the request.
      fileprivate let previous: Int32

      init(
        series: SeriesID, start: Int64, time: Int64, total: DeltaValue, hasZero: Bool, beginsPoint: Bool,
        previous: Int32
      ) {
        self.series = series
        self.start = start
        self.time = time
        self.total = total
        self.hasZero = hasZero
        self.beginsPoint = beginsPoint
        self.previous = previous
      }
    }

    package private(set) var rows: [Row] = []
    /// Counted in points of the sender.
    package internal(set) var rejections = Rejections()
    /// About what the rows take in batches, in bytes.
    package private(set) var byteCount = 0
    /// What was reserved for the rows, in bytes.
    package private(set) var reservedBytes = 0
    /// What the rows so far take, in bytes.
    private var neededBytes = 0
    /// Bytes that were not there to be reserved: no total was moved.
    package private(set) var missingBytes = 0
    /// Whether the rest of the request is refused.
    var isFull = false
    /// The version that the first row gave its series; all moved on under one lock, so that they follow each other.
    private let firstVersion: UInt64
    private let now: Int64
    /// What was there before the request, of each of its series.
    private var befores: [State?] = []

    init(firstVersion: UInt64, now: Int64) {
      self.firstVersion = firstVersion
      self.now = now
    }

    /// Bytes are reserved in pieces of this size, each of many rows.
    private static let reservationBytes = 64 << 10

    /// Whether there is memory for more rows, of so many bytes.
    mutating func reserve(_ bytes: Int, in budget: IngestBudget?) -> Bool {
      neededBytes += bytes
      guard let budget, neededBytes > reservedBytes else { return true }
      let piece = max(Self.reservationBytes, neededBytes - reservedBytes)
      guard budget.reserve(piece) else {
        missingBytes = piece
        return false
      }
      reservedBytes += piece
      return true
    }

    mutating func append(_ row: Row, byteCount: Int) {
      rows.append(row)
      self.byteCount += byteCount
    }

    /// Where the state before a row is found again: with an earlier row of the request, or kept for it.
    mutating func place(of before: State?) -> Int32 {
      if let before, before.version &- firstVersion < UInt64(rows.count) {
        return Int32(truncatingIfNeeded: before.version &- firstVersion)
      }
      befores.append(before)
      return ~Int32(truncatingIfNeeded: befores.count - 1)
    }

    /// Tells whether a series has moved on since a row.
    func version(ofRow index: Int) -> UInt64 { firstVersion &+ UInt64(index) }

    /// The state of a row's series before the row.
    func stateBefore(row index: Int) -> State? {
      let previous = Int(rows[index].previous)
      guard previous >= 0 else { return befores[~previous] }
      let row = rows[previous]
      return State(total: row.total, last: row.time, start: row.start, seen: now, version: version(ofRow: previous))
    }
  }
}
