/// What it takes to read series and to make rows of them, roughly: enough to tell whether another task would pay.
enum ReadingCost {
  /// Of a series whatever it has, of a sample, and of a step of a series, in ns.
  private static let (ofSeries, ofSample, ofCell) = (1_000, 5, 20)
  /// A share that takes less, in ns, is read faster than another task begins.
  private static let shareMin = 64_000

  /// Into how many shares a selection may be parted for that to pay; at least one, at most one for each series.
  ///
  /// `width` is the number of steps.
  static func shares(_ series: Int, samples: Int, width: Int) -> Int {
    let series = max(1, series)
    let total =
      Double(series) * Double(ofSeries) + Double(samples) * Double(ofSample)
      + Double(series) * Double(width) * Double(ofCell)
    return max(1, Int(min(Double(series), total / Double(shareMin))))
  }
}
