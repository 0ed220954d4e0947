import NeedletailCluster
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// What the slots of this node come to.
protocol SlotDigests: Sendable {
  /// The digest of each of these slots over all windows (hours since 1970) of a range together.
  ///
  /// Exact at some instant after it was called. Blocks. Throws `QueryError` where something of it cannot be read, and
  /// `CancellationError`.
  func digests(of slots: SlotSet, windows: ClosedRange<Int64>) throws -> [UInt16: RangeDigest]
}

/// The digests of the series engine, window by window.
struct EngineDigests: SlotDigests {
  /// Hours that one read may touch and that hold something: eleven years.
  private static let windowsMax = 100_000

  let engine: SeriesEngine

  func digests(of slots: SlotSet, windows: ClosedRange<Int64>) throws -> [UInt16: RangeDigest] {
    guard let filled = engine.windows(within: windows, countMax: Self.windowsMax) else {
      throw QueryError(.execution, "the read touches more than \(Self.windowsMax) hours that hold data; ask for less")
    }
    var sums: [RangeDigest] = []
    for window in filled {
      let found: [SeriesDigest]
      do throws(SeriesDigestError) { found = try engine.digests(window: window) } catch {
        switch error {
        case .cancelled: throw CancellationError()
        case .damage(let damage): throw QueryError(.unavailable, "\(damage)")
        }
      }
      if sums.isEmpty { sums = [RangeDigest](repeating: RangeDigest(), count: found.count) }
      for (slot, digest) in found.enumerated() where !digest.isEmpty {
        sums[slot].add(RangeDigest(high: digest.high, low: digest.low, count: digest.count))
      }
    }
    var result: [UInt16: RangeDigest] = [:]
    for slot in slots { result[slot] = Int(slot) < sums.count ? sums[Int(slot)] : RangeDigest() }
    return result
  }
}

extension TimeRange {
  /// The hours since 1970 that the range touches.
  var windows: ClosedRange<Int64> {
    SeriesWindow(of: startMilliseconds).number...SeriesWindow(of: endMilliseconds).number
  }
}
