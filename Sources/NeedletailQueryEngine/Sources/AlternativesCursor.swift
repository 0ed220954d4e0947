import NeedletailTelemetry

/// The series that match one of several lists of conditions, each series once: those of the first list, then those of the
/// second that the first does not match, and so on.
final class AlternativesCursor: SeriesCursor {
  private let cursors: [any SeriesCursor]
  private let alternatives: [[LabelMatcher]]
  private var position = 0
  private(set) var coverage = Coverage.complete

  var work: SelectionWork { cursors.reduce(into: SelectionWork()) { $0.add($1.work) } }

  var seriesMax: Int? {
    let counts = cursors.compactMap(\.seriesMax)
    return counts.count == cursors.count ? counts.reduce(0, +) : nil
  }

  /// One cursor for each list of conditions; their series must come with all labels.
  init(_ cursors: [any SeriesCursor], _ alternatives: [[LabelMatcher]]) {
    self.cursors = cursors
    self.alternatives = alternatives
  }

  func next() async throws -> SeriesColumns? {
    while position < cursors.count {
      if let chunk = try await cursors[position].next() {
        let before = alternatives[..<position]
        guard !before.isEmpty else { return chunk }
        return chunk.selecting { labels in !before.contains { $0.allSatisfy { $0.matches(labels) } } }
      }
      coverage.merge(cursors[position].coverage)
      position += 1
    }
    return nil
  }
}

extension SeriesColumns {
  /// Only the series of some labels.
  fileprivate func selecting(_ isWanted: (LabelSet) -> Bool) -> SeriesColumns {
    let wanted = (0..<count).map { isWanted(labels[$0]) }
    guard wanted.contains(false) else { return self }
    var result = SeriesColumns()
    var histogram = 0
    for series in 0..<count {
      if wanted[series] {
        result.starts.append(starts, offsets[series]..<offsets[series + 1], at: result.timestamps.count)
      }
      for index in offsets[series]..<offsets[series + 1] {
        let isHistogram = histogram < histogramIndexes.count && histogramIndexes[histogram] == index
        if isHistogram { histogram += 1 }
        guard wanted[series] else { continue }
        if isHistogram {
          result.append(timestamp: timestamps[index], histogram: histograms[histogram - 1])
        } else {
          result.append(timestamp: timestamps[index], value: values[index])
        }
      }
      if wanted[series] { result.finishSeries(labels[series]) }
    }
    return result
  }
}
