import NeedletailTelemetry

/// UTC hours since 1970 of times in nanoseconds, over which digests are told.
enum EventWindow {
  private static let nanoseconds: Int64 = 3_600_000_000_000
  static let all = of(.min)...of(.max)

  /// The hour that a time lies in, negative before 1970.
  static func of(_ time: Int64) -> Int64 {
    let (quotient, remainder) = time.quotientAndRemainder(dividingBy: nanoseconds)
    return remainder < 0 ? quotient - 1 : quotient
  }

  /// The times of an hour; nil where there are none.
  static func times(_ window: Int64) -> ClosedRange<Int64>? {
    guard all.contains(window) else { return nil }
    let (start, isBefore) = window.multipliedReportingOverflow(by: nanoseconds)
    let (next, isAfter) = (window + 1).multipliedReportingOverflow(by: nanoseconds)
    return (isBefore ? .min : start)...(isAfter ? .max : next - 1)
  }
}

extension RangeDigest {
  /// That of one record. What tells records apart is their stream, time and lower half of the content identity; the
  /// mixing is part of the part format (docs/formats/event-part.md).
  @inline(__always) static func event(_ stream: StreamEntry, _ key: EventKey) -> RangeDigest {
    RangeDigest(of: stream.identity, time: key.time, bits: key.content)
  }
}

/// By what events are assigned to slots: logs by their stream, spans by their trace.
struct EventSlots: Sendable {
  let map: SlotMap
  let isSpans: Bool

  func key(_ trace: TraceID, _ stream: StreamEntry) -> Hash128 {
    isSpans ? trace.key(in: stream.tenant) : stream.identity
  }

  func slot(_ trace: TraceID, _ stream: StreamEntry) -> UInt16 { map.slot(of: key(trace, stream)) }
}
