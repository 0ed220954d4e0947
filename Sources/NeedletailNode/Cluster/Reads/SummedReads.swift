import NeedletailEnvironment
import NeedletailSeries

/// Whether reads ask first what groups of slots come to as a whole (`QuorumRead.Plan.sumsFirst`).
///
/// Over hours that are over replicas are equal, but for what repair is about to mend. Over the one that is being written a
/// write under way makes them differ, and the more slots there are the more likely: where that made a read ask twice,
/// the next ones over this hour ask slot by slot at once, and now and then one tries again.
final class SummedReads: Sendable {
  /// After a read that had to ask twice so many over the hour being written do not try.
  private static let pause = 15

  private let skipped = Lock(0)

  /// `hour` is the one that is being written.
  func areWorthwhile(_ windows: ClosedRange<Int64>, hour: Int64) -> Bool {
    guard windows.upperBound >= hour else { return true }
    return skipped.withLock { skipped in
      guard skipped > 0 else { return true }
      skipped -= 1
      return false
    }
  }

  /// Whether the next one does not try, as far as is known; that it is asked counts for nothing.
  func arePaused(_ windows: ClosedRange<Int64>, hour: Int64) -> Bool {
    windows.upperBound >= hour && skipped.withLock { $0 > 0 }
  }

  /// A read that asked so ended; it may have had to ask slot by slot after all.
  func ended(wasEnough: Bool, _ windows: ClosedRange<Int64>, hour: Int64) {
    guard !wasEnough, windows.upperBound >= hour else { return }
    skipped.withLock { $0 = Self.pause }
  }
}
