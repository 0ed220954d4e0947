/// The digest of some rows of one slot within one window, and between which times these lie, in the unit of their engine.
@usableFromInline package struct TimedDigest: Equatable, Sendable {
  @usableFromInline package var digest = RangeDigest()
  @usableFromInline package var first = Int64.max
  @usableFromInline package var last = Int64.min

  @inlinable package init() {}

  package init(_ digest: RangeDigest, _ times: ClosedRange<Int64>) {
    self.digest = digest
    (first, last) = (times.lowerBound, times.upperBound)
  }

  @inlinable package mutating func widen(_ first: Int64, _ last: Int64) {
    self.first = min(self.first, first)
    self.last = max(self.last, last)
  }

  /// Adds the digest of rows between these times.
  @inlinable package mutating func add(_ digest: RangeDigest, _ times: ClosedRange<Int64>) {
    self.digest.add(digest)
    widen(times.lowerBound, times.upperBound)
  }

  /// Nil where there are no rows.
  package var times: ClosedRange<Int64>? { first <= last ? first...last : nil }
}

extension TimedDigest {
  /// The bytes of what a window has of its slots, which ascend and are not empty; `start` is the window's first time.
  package static func encoded(_ rows: [(slot: UInt16, row: TimedDigest)], from start: Int64) -> [UInt8] {
    var writer = ByteWriter(reserving: rows.count * 28)
    var previous: UInt16 = 0
    for (slot, row) in rows {
      writer.appendVarint(UInt64(slot &- previous))
      writer.append(row.digest.low)
      writer.append(row.digest.high)
      writer.appendVarint(row.digest.count)
      writer.appendVarint(UInt64(bitPattern: row.first &- start))
      writer.appendVarint(UInt64(bitPattern: row.last &- row.first))
      previous = slot
    }
    return writer.bytes
  }

  /// Reads what `encoded` wrote of a window of these times.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, _ times: ClosedRange<Int64>
  ) throws(MalformedBytes) -> [(slot: UInt16, row: TimedDigest)] {
    var rows: [(slot: UInt16, row: TimedDigest)] = []
    var reader = ByteReader(bytes)
    var slot: UInt64 = 0
    while !reader.isAtEnd {
      let step = try reader.readVarint()
      guard rows.isEmpty || step > 0, step <= UInt64(UInt16.max), let next = UInt16(exactly: slot + step) else {
        throw .invalid("slots of digests are out of order")
      }
      slot = UInt64(next)
      let (low, high) = (try reader.read(UInt64.self), try reader.read(UInt64.self))
      let count = try reader.readVarint()
      let first = times.lowerBound &+ Int64(bitPattern: try reader.readVarint())
      let last = first &+ Int64(bitPattern: try reader.readVarint())
      guard times.contains(first), times.contains(last), first <= last else {
        throw .invalid("times of a digest are out of bounds")
      }
      rows.append((next, TimedDigest(RangeDigest(high: high, low: low, count: count), first...last)))
    }
    return rows
  }
}
