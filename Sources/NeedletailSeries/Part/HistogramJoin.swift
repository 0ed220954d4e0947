import NeedletailBlocks
import NeedletailTelemetry

/// Joins the runs of histograms of one series out of several parts to the runs of a new one.
///
/// As `SampleJoin` does, it passes a run on without decoding it where that is long enough and lies in nobody's way.
struct HistogramJoin {
  private struct Source {
    var input: Int
    var run: HistogramScan.Run

    var first: Int64 { run.times[0] }
    var last: Int64 { run.times[run.times.count - 1] }
  }

  /// What waits to be settled and written.
  private var pending: [StoredHistogram] = []

  /// Writes the histograms of the current series of some inputs to the builder, and takes those that it does not write out
  /// of its digests.
  mutating func join(
    _ members: [Int], of inputs: inout [MergeInput], _ id: SeriesID, to builder: SeriesPartBuilder
  ) throws(SeriesMaintenanceError) {
    let sources = try sources(members, &inputs)
    var before = Int64.min
    for (index, source) in sources.enumerated() {
      let isApart =
        (index == 0 || before < source.first)
        && (index + 1 == sources.count || source.last < sources[index + 1].first)
      before = max(before, source.last)
      let isWhole = !inputs[source.input].deleted.overlaps(source.first, source.last)
      // What waits is written as runs of its own then, which must not be short.
      if isApart, isWhole, !source.run.column.isEmpty, source.run.times.count >= HistogramRun.countMin,
        pending.isEmpty || pending.count >= HistogramRun.countMin
      {
        try write(id, to: builder)
        try SeriesMaintenanceError.wrapping { () throws(BlockError) in
          try builder.append(column: source.run.column, times: source.run.times, starts: source.run.starts)
        }
      } else {
        try take(source.run, without: inputs[source.input].deleted, id, builder)
      }
    }
    try write(id, to: builder)
  }

  /// The runs of all members, by their first times.
  private func sources(
    _ members: [Int], _ inputs: inout [MergeInput]
  ) throws(SeriesMaintenanceError) -> [Source] {
    var sources: [Source] = []
    do throws(SeriesDamage) {
      for input in members {
        for run in try inputs[input].histogramRuns() { sources.append(Source(input: input, run: run)) }
      }
    } catch { throw .damage(error) }
    if sources.count < 2 { return sources }
    return RowSort.order(sources.count) { sources[$0].first < sources[$1].first }.map { sources[$0] }
  }

  private mutating func take(
    _ run: HistogramScan.Run, without deleted: TimeRangeSet, _ id: SeriesID, _ builder: SeriesPartBuilder
  ) throws(SeriesMaintenanceError) {
    var histograms: [StoredHistogram]
    do throws(SeriesDamage) { histograms = try run.decoded() } catch { throw .damage(error) }
    for one in histograms { builder.digests.remove(.histogram(id, one), of: id, at: one.timestamp) }
    histograms.remove(deleted, from: 0)
    pending += histograms
  }

  private mutating func write(_ id: SeriesID, to builder: SeriesPartBuilder) throws(SeriesMaintenanceError) {
    let settled = HistogramRule.settled(pending)
    pending.removeAll(keepingCapacity: true)
    guard !settled.isEmpty else { return }
    for one in settled { builder.digests.add(.histogram(id, one), of: id, at: one.timestamp) }
    try SeriesMaintenanceError.wrapping { () throws(BlockError) in try builder.append(settled[...]) }
  }
}
