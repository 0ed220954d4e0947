import NeedletailTelemetry

/// Samples of some whole series, as flat columns.
///
/// Index `series` runs over `0..<seriesCount`.
package struct SeriesChunk: Sendable {
  /// The identities, in the order of the series.
  package private(set) var ids: [SeriesID] = []
  /// Timestamps of float samples in ms, ascending within a series, none twice.
  package var timestamps: [Int64] { columns.timestamps }
  /// The bits of the float samples, beside `timestamps`.
  package var valueBits: [UInt64] { columns.values }
  /// Native histograms, by series and time.
  package private(set) var histograms: [HistogramSample] = []

  /// A native histogram of one of the chunk's series.
  package struct HistogramSample: Sendable {
    package var series: Int
    /// In ms since 1970.
    package var timestamp: Int64
    package var histogram: NativeHistogram
    /// When its count began, in ms; 0 where nobody told.
    package var start: Int64
  }

  private var labelBytes = ByteWriter()
  private var labelEnds: [Int] = []
  private var sampleEnds: [Int] = []
  private var columns = SampleColumns()

  package var seriesCount: Int { ids.count }
  package var sampleCount: Int { columns.count + histograms.count }

  package func labels(_ series: Int) -> LabelSet {
    LabelSet(canonicalBytes: Array(labelBytes.bytes[(series == 0 ? 0 : labelEnds[series - 1])..<labelEnds[series]]))
  }

  /// The series' float samples, as indices of `timestamps` and `valueBits`.
  package func samples(_ series: Int) -> Range<Int> { (series == 0 ? 0 : sampleEnds[series - 1])..<sampleEnds[series] }

  /// Where samples are left out, for which others stand, by the indices of `timestamps`; only where the cursor was told
  /// that they may.
  package var omissions: [SampleOmission] { columns.omissions }

  /// The value at an index of `timestamps`, bit for bit.
  package func value(_ sample: Int) -> Double { Double(bitPattern: columns.values[sample]) }

  /// When the counts of the float samples began, by the indices of `timestamps`.
  package var starts: StartMarks { columns.starts }

  /// Whether samples were added since the last series.
  var hasPending: Bool { columns.count > (sampleEnds.last ?? 0) }

  /// Whether samples were left out since the last series.
  var hasPendingOmissions: Bool { columns.omissions.last.map { $0.index >= sampleEnds.last ?? 0 } ?? false }

  /// Whether the samples since the last series are in order, none twice.
  var isPendingAscending: Bool {
    let first = sampleEnds.last ?? 0
    return columns.count - first < 2 || columns.isAscending(from: first)
  }

  /// Drops the samples that were added since the last series.
  mutating func dropPending() { columns.truncate(to: sampleEnds.last ?? 0) }

  /// Ends the series whose samples were put into `columns` since the last one, unless there is nothing of it.
  ///
  /// `isSettled` tells that they come from one source, which has none twice. Of histograms before `start`, which each
  /// source tells for itself, only the last one is told, and only before another.
  mutating func endSeries(
    _ id: SeriesID, labels: UnsafeRawBufferPointer, from start: Int64, histograms found: [TimedHistogram],
    isSettled: Bool
  ) {
    let first = sampleEnds.last ?? 0
    if !isSettled { columns.settle(from: first) }
    var settled = found.isEmpty ? [] : HistogramRule.settled(found)
    let before = settled.prefix { $0.timestamp < start }.count
    if before == settled.count { settled = [] } else if before > 1 { settled.removeFirst(before - 1) }
    if !settled.isEmpty { columns.remove(at: settled.map(\.timestamp), from: first) }
    guard hasPending || !settled.isEmpty else { return }
    for found in settled {
      histograms.append(
        HistogramSample(
          series: ids.count, timestamp: found.timestamp, histogram: found.histogram, start: found.start))
    }
    ids.append(id)
    labelBytes.append(labels)
    labelEnds.append(labelBytes.count)
    sampleEnds.append(columns.count)
  }

  /// Lets a source add to the columns of the series in the making.
  mutating func withColumns<Failure: Error>(
    _ body: (inout SampleColumns) throws(Failure) -> Void
  ) throws(Failure) { try body(&columns) }
}
