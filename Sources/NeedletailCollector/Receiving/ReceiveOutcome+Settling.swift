// From what the sink says of batches to what the sender is told of its records.

import NeedletailWire

/// What is in a batch, as its sender counts it and as the sink does.
///
/// They differ: the sink counts each series of a histogram, and the zero that a series begins with.
struct BatchCounts {
  /// Points, log records or spans of the sender.
  var records: Int
  /// Rows that the sink counts.
  var rows: Int
  /// Of these, zeros that stand before the first value of a series.
  var zeros = 0

  /// The records that `outcome` counts as refused.
  ///
  /// Exact where a record is a row, and where all are refused; otherwise in proportion, and at least one where one
  /// was refused.
  func refused(_ outcome: SinkOutcome) -> Int {
    let refused = outcome.tooOld + outcome.tooNew
    guard outcome.tooNew > 0 || outcome.tooOld > zeros, rows > 0, records > 0 else { return 0 }
    if records == rows { return min(refused, records) }
    let share = (Double(refused) * Double(records) / Double(rows)).rounded()
    return min(max(1, Int(exactly: share) ?? records), records)
  }
}

extension ReceiveOutcome {
  /// Enters that the sink did not take `count` records now.
  mutating func settle(_ error: SinkError, count: Int) {
    dropped = count
    switch error {
    case .overloaded(let seconds): failure = .overloaded(retryAfterSeconds: seconds)
    case .unavailable(let reason, let seconds): failure = .unavailable(reason, retryAfterSeconds: seconds)
    case .refused(let reason), .outOfRetention(let reason), .outOfWindow(let reason), .tooFarInFuture(let reason):
      failure = .unavailable(reason)
    case .unknownSeries: failure = .unavailable("the store does not know a series that was just defined")
    }
  }

  /// Enters that `count` records were decoded and not even offered to the sink.
  mutating func turnAway(_ failure: Failure, count: Int) {
    dropped = count
    self.failure = failure
  }

  /// Takes what the sink refused of a batch out of what was accepted.
  mutating func settle(_ fate: Delivery.Fate, _ counts: BatchCounts) {
    switch fate {
    case .refused(let reason, let detail): reject(reason, count: counts.records, detail)
    case .stored(let outcome):
      let refused = counts.refused(outcome)
      guard refused > 0 else { return }
      let old = Self.share(of: refused, outcome.tooOld, in: outcome.tooOld + outcome.tooNew)
      let late = Self.share(of: old, outcome.outOfWindow, in: outcome.tooOld)
      reject(.outOfRetention, count: old - late, "some records are older than what is kept")
      reject(.outOfOrderWindow, count: late, "some records are older than the out-of-order window takes")
      reject(.tooFarInFuture, count: refused - old, "some records lie too far in the future")
    }
  }

  /// So many of the `count` as `part` is of `whole`.
  private static func share(of count: Int, _ part: Int, in whole: Int) -> Int {
    guard whole > 0 else { return 0 }
    return Int(exactly: (Double(count) * Double(part) / Double(whole)).rounded()) ?? count
  }

  private mutating func reject(_ reason: RejectionReason, count: Int, _ detail: String) {
    guard count > 0 else { return }
    rejections.add(reason, count: count, detail: detail)
    accepted = max(0, accepted - count)
    let fromSamples = min(samples, count)
    samples -= fromSamples
    histograms = max(0, histograms - (count - fromSamples))
  }
}
