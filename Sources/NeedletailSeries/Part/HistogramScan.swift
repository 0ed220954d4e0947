import NeedletailBlocks
import NeedletailTelemetry

/// Reads the histograms of a part's series.
struct HistogramScan: Sendable {
  private var scan: PartScan
  private let form: HistogramRun.Form

  /// How often a block was looked up.
  var blocksRead: Int { scan.blocksRead }

  init(_ part: SeriesPart, cache: PartBlockCache? = nil) {
    scan = PartScan(part, kind: PartBlockKind.histograms, cache: cache)
    form = HistogramRun.Form(part)
  }

  /// Appends a series' histograms within the range, in ms, run after run; where it throws, some have been appended.
  ///
  /// With one before: the last one before the range, where it lies in a run of which another is within.
  mutating func read<Histogram: HistogramAtTime>(
    _ record: PartSeriesRecord, from start: Int64, to end: Int64, withOneBefore: Bool = false,
    into histograms: inout [Histogram]
  ) throws(SeriesDamage) {
    var runs = PartScan.Runs(record.histograms, count: record.histogramRuns, start: record.startTimestamp)
    let form = form
    while try scan.next(
      &runs,
      { (reader) throws(MalformedBytes) in
        try HistogramRun.decode(
          &reader, form, common: record.startTimestamp, from: start, to: end, withOneBefore: withOneBefore,
          into: &histograms)
      })
    {}
  }

  /// A run as it stands.
  struct Run: Sendable {
    /// Ascending, none twice.
    var times: [Int64]
    /// When their counts began.
    var starts = StartMarks()
    /// Empty where it is no column.
    var column: [UInt8] = []
    /// Empty where it is one.
    var histograms: [StoredHistogram] = []
    /// What to say where the column is none.
    var damage: SeriesDamage

    /// What is in it.
    func decoded() throws(SeriesDamage) -> [StoredHistogram] {
      if column.isEmpty { return histograms }
      var result: Result<[StoredHistogram], MalformedBytes> = .success([])
      column.withUnsafeBytes { column in
        result = Result { () throws(MalformedBytes) in
          var all: [StoredHistogram] = []
          all.reserveCapacity(times.count)
          try StoredHistogram.decode(column, from: .min, to: .max, into: &all)
          return all
        }
      }
      do throws(MalformedBytes) {
        var all = try result.get()
        for index in all.indices { all[index].start = starts.start(of: index) }
        return all
      } catch { throw damage }
    }
  }

  /// The next run of a series, decoded only where it is a list.
  mutating func next(_ runs: inout PartScan.Runs) throws(SeriesDamage) -> Run? {
    var (times, column): ([Int64], [UInt8]) = ([], [])
    var histograms: [StoredHistogram] = []
    var starts = StartMarks()
    let (form, common) = (form, runs.start)
    let isThere = try scan.next(&runs) { (reader) throws(MalformedBytes) in
      if form != .list {
        var ahead = reader
        let (bytes, told) = try HistogramRun.columns(&ahead, form)
        if let found = try HistogramColumn.times(bytes) {
          (times, column) = (found, Array(bytes))
          starts =
            told.isEmpty
            ? RunStarts.common(common, times, isLatest: form != .started)
            : try RunStarts.decode(told, count: times.count)
          reader = ahead
        }
      }
      if column.isEmpty {
        try HistogramRun.decode(&reader, form, common: common, from: .min, to: .max, into: &histograms)
        times = histograms.map(\.timestamp)
        for index in histograms.indices { starts.append(histograms[index].start, from: index) }
      }
      let isAscending = zip(times, times.dropFirst()).allSatisfy { $0 < $1 }
      guard isAscending, !times.isEmpty else { throw .invalid("histograms are out of order") }
    }
    guard isThere else { return nil }
    return Run(
      times: times, starts: starts, column: column, histograms: histograms,
      damage: scan.damage("a run of histograms is malformed"))
  }
}
