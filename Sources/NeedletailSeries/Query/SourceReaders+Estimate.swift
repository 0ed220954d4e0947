import NeedletailBlocks
import NeedletailTelemetry

extension SourceReaders {
  /// About how many samples within the range there are at some places, told by the times and sizes of the sources alone.
  ///
  /// O(places); reads nothing.
  func samplesExpected(
    at places: [SeriesGathering.Place], in range: TimeRange, standIns: StandIns?
  ) -> Double {
    // Where others may stand for samples, of a part the runs are read that a window parts.
    let most = standIns == nil ? .infinity : Double(SampleRun.countMax)
    let ofParts = content(of: range).map { min($0, most) }
    var sum = 0.0
    for place in places {
      let source = Int(place.source)
      sum += isHead(source) ? samplesExpected(inHead: source, place, range) : ofParts[source - headCount]
    }
    return sum
  }

  /// How many samples within the range each part has of a series on average.
  private func content(of range: TimeRange) -> [Double] {
    summaries.map { summary in
      guard summary.groups > 0 else { return 0 }
      return Double(summary.rows) / Double(summary.groups)
        * range.share(ofTimesFrom: summary.minTime, to: summary.maxTime)
    }
  }
}

extension TimeRange {
  /// Which share of what lies evenly between two times is within the range.
  func share(ofTimesFrom start: Int64, to end: Int64) -> Double {
    let common = Double(min(end, endMilliseconds)) - Double(max(start, startMilliseconds))
    guard common >= 0 else { return 0 }
    return (common + 1) / (Double(end) - Double(start) + 1)
  }
}
