import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry

/// What a loaded node lets go of first, so that what matters more still gets in: debug logs, then unremarkable traces,
/// and
/// metrics never.
///
/// How loaded it is follows from the bodies that it works on, and from a store that said that it has no room. Time is
/// monotonic,
/// in ns.
package final class Shedding: Sendable {
  /// What is let go of; each level includes those before it.
  package enum Level: Int, Comparable, Sendable {
    case nothing
    /// Log records below INFO.
    case debugLogs
    /// And traces in which nothing failed or was slow.
    case unremarkableTraces

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  /// For how long a store that had no room is taken to have none.
  static let memory: Int64 = 2_000_000_000
  /// From which duration on a span is slow, in ns.
  static let slowNanoseconds: Int64 = 1_000_000_000
  /// The severity number of INFO.
  static let information: UInt8 = 9

  private let budget: IngestBudget
  private let lastOverload = Lock<Int64?>(nil)

  /// One that looks at the memory for bodies.
  package init(_ budget: IngestBudget) { self.budget = budget }

  /// The store said that it has no room.
  package func noteOverload(now: Int64) { lastOverload.withLock { $0 = now } }

  /// How much is let go of.
  package func level(now: Int64) -> Level {
    if let last = lastOverload.withLock({ $0 }), now &- last < Self.memory { return .unremarkableTraces }
    let used = budget.bytesInFlight
    if used >= budget.bytesMax / 8 * 7 { return .unremarkableTraces }
    return used >= budget.bytesMax / 4 * 3 ? .debugLogs : .nothing
  }

  /// What is kept of the batches of a request, and how many records are not. O(rows).
  static func keeping(_ batches: [EventBatch], _ signal: OTLPSignal, at level: Level) -> (kept: [EventBatch], shed: Int)
  {
    let isKept: (EventRows, Int) -> Bool
    switch signal {
    case .logs where level >= .debugLogs:
      isKept = { rows, row in rows.kind(row) == 0 || rows.kind(row) >= information }
    case .traces where level >= .unremarkableTraces:
      // What is remarkable keeps the rest of its trace, as far as it is in the request.
      let traces = remarkable(batches)
      isKept = { rows, row in traces.contains(rows.traceID(row)) }
    case .metrics, .logs, .traces: return (batches, 0)
    }
    var kept: [EventBatch] = []
    var shed = 0
    for batch in batches {
      let rows = batch.withRows { rows in
        (0..<rows.rowCount).filter { isKept(rows, $0) }.map { UInt32(truncatingIfNeeded: $0) }
      }
      // Where what is kept cannot be cut out of it, all of it is.
      guard rows.count < batch.rowCount, let rest = rows.isEmpty ? batch : batch.selecting(rows[...]) else {
        kept.append(batch)
        continue
      }
      shed += batch.rowCount - rows.count
      if !rows.isEmpty { kept.append(rest) }
    }
    return (kept, shed)
  }

  private static func remarkable(_ batches: [EventBatch]) -> Set<TraceID> {
    var traces: Set<TraceID> = []
    for batch in batches {
      batch.withRows { rows in
        for row in 0..<rows.rowCount {
          let (took, isBeyond) = rows.secondTime(row).subtractingReportingOverflow(rows.time(row))
          let isSlow = isBeyond || took >= slowNanoseconds
          if isSlow || rows.status(row) == SpanRecord.Status.error.rawValue { traces.insert(rows.traceID(row)) }
        }
      }
    }
    return traces
  }
}
