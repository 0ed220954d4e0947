import NeedletailTelemetry
import NeedletailWire

/// What the changes (delta temporality) of one request came to, as batches, and the memory that they take.
struct DeltaTotals {
  /// There was no memory; no total was moved.
  struct Overflow: Error {
    /// What the changes and their totals would take, as far as it was worked out.
    let bytes: Int
  }

  let parts: [DeltaAccumulator.Applied.Part]
  let rejections: Rejections
  /// Points of the sender in all parts.
  let pointCount: Int
  /// Reserved for as long as this is there; to be released then.
  let reservedBytes: Int
  private let applied: DeltaAccumulator.Applied

  /// Takes the changes out of `decoded` and adds them to their totals.
  ///
  /// Memory is reserved in `budget` ahead of what it is for: a change is some 20 bytes on the wire, and ten times as
  /// much on its way to a batch.
  init(
    of decoded: inout DecodedSeries, _ accumulator: DeltaAccumulator, _ budget: IngestBudget, tenant: TenantID,
    batchID: Hash128, now: Int64, within times: (Int64) -> ClosedRange<Int64>
  ) throws(Overflow) {
    let changesBytes = decoded.deltaBytes + decoded.deltas.count * MemoryLayout<UInt32>.stride
    guard budget.reserve(changesBytes) else { throw Overflow(bytes: changesBytes) }
    applied = accumulator.apply(decoded.takeDeltas(), now: now, within: Self.takeable(times, now: now), budget: budget)
    // The changes are gone; their batches come, each of which is built beside those before it.
    budget.release(changesBytes)
    let batchBytes = applied.byteCount + min(applied.byteCount, DeltaAccumulator.Applied.cutBytes)
    guard applied.missingBytes == 0, budget.reserve(batchBytes) else {
      let missing = applied.missingBytes > 0 ? changesBytes + applied.missingBytes : batchBytes
      accumulator.rollback(applied)
      budget.release(applied.reservedBytes)
      throw Overflow(bytes: applied.reservedBytes + missing)
    }
    reservedBytes = applied.reservedBytes + batchBytes
    parts = applied.parts(tenant: tenant, batchID: Hash128(high: batchID.high, low: ~batchID.low))
    pointCount = parts.reduce(0) { $0 + $1.pointCount }
    var rejections = applied.rejections
    let lost = decoded.deltaPointCount - rejections.total - pointCount
    if lost > 0 { rejections.add(.recordTooLarge, count: lost, detail: "totals do not fit into one batch") }
    self.rejections = rejections
  }

  /// How long before the store would refuse a change as too old it is refused here, in ms: what lies between is far less.
  private static let marginMilliseconds: Int64 = 60_000

  /// The times that the store will take also when it sees the totals: the retention moves on until then.
  static func takeable(_ times: (Int64) -> ClosedRange<Int64>, now: Int64) -> ClosedRange<Int64> {
    let (later, overflow) = now.addingReportingOverflow(marginMilliseconds)
    let earliest = times(overflow ? .max : later).lowerBound
    return earliest...max(earliest, times(now).upperBound)
  }

  /// Takes back the totals of the parts that are not stored; `fates` are of the first parts.
  func settle(_ fates: ArraySlice<Delivery.Fate>, _ accumulator: DeltaAccumulator) {
    accumulator.rollback(applied, except: zip(parts, fates).filter(\.1.isStored).map(\.0.rows))
  }
}
