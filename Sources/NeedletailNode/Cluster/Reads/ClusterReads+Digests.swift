import NeedletailCluster
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

extension ClusterReads {
  /// So many windows are summed up at once: each is 24 bytes a slot until then.
  private static let windowsAtOnce: Int64 = 1024
  /// Beyond this many hours, a century and more, nobody has something of each.
  private static let windowsMax: UInt64 = 1 << 20

  /// The digest of each slot over all windows (hours since 1970) of a range together, as this node holds them; empty
  /// ones may be missing at the end.
  ///
  /// Exact at some instant after it was called. Blocks. Throws `QueryError` where something of it cannot be read, and
  /// `CancellationError`.
  func sums(over windows: ClosedRange<Int64>) throws -> [RangeDigest] {
    var sums: [RangeDigest] = []
    var next = windows.lowerBound
    while true {
      let left = UInt64(bitPattern: windows.upperBound &- next)
      let isLast = left < UInt64(Self.windowsAtOnce) || left > Self.windowsMax
      let some = next...(isLast ? windows.upperBound : next + Self.windowsAtOnce - 1)
      let found: [RangeDigest]
      do throws(SlotContentsError) { found = try contents.sums(over: some) } catch {
        if error == .cancelled { throw CancellationError() }
        throw QueryError(.unavailable, "\(error)")
      }
      if sums.isEmpty {
        sums = found
      } else {
        for slot in sums.indices.prefix(found.count) { sums[slot].add(found[slot]) }
      }
      if isLast { break }
      next += Self.windowsAtOnce
    }
    return sums
  }
}

extension TimeRange {
  /// The hours since 1970 that the range touches.
  var windows: ClosedRange<Int64> {
    SeriesWindow(of: startMilliseconds).number...SeriesWindow(of: endMilliseconds).number
  }
}
