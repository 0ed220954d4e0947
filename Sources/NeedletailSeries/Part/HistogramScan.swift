import NeedletailBlocks
import NeedletailTelemetry

/// Reads the histograms of a part's series.
struct HistogramScan: Sendable {
  private var scan: PartScan
  private let isList: Bool

  /// How often a block was looked up.
  var blocksRead: Int { scan.blocksRead }

  init(_ part: SeriesPart, cache: PartBlockCache? = nil) {
    scan = PartScan(part, kind: PartBlockKind.histograms, cache: cache)
    isList = part.hasHistogramLists
  }

  /// Appends a series' histograms within the range, in ms, run after run; where it throws, some have been appended.
  mutating func read<Histogram: HistogramAtTime>(
    _ record: PartSeriesRecord, from start: Int64, to end: Int64, into histograms: inout [Histogram]
  ) throws(SeriesDamage) {
    var runs = PartScan.Runs(record.histograms, count: record.histogramRuns)
    let isList = isList
    while try scan.next(
      &runs,
      { (reader) throws(MalformedBytes) in
        try HistogramRun.decode(&reader, isList: isList, from: start, to: end, into: &histograms)
      })
    {}
  }

  /// A run as it stands.
  struct Run: Sendable {
    /// Ascending, none twice.
    var times: [Int64]
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
      do throws(MalformedBytes) { return try result.get() } catch { throw damage }
    }
  }

  /// The next run of a series, decoded only where it is a list.
  mutating func next(_ runs: inout PartScan.Runs) throws(SeriesDamage) -> Run? {
    var (times, column): ([Int64], [UInt8]) = ([], [])
    var histograms: [StoredHistogram] = []
    let isList = isList
    let isThere = try scan.next(&runs) { (reader) throws(MalformedBytes) in
      if !isList {
        var ahead = reader
        let bytes = try ahead.readPrefixed()
        if let found = try HistogramColumn.times(bytes) {
          (times, column) = (found, Array(bytes))
          reader = ahead
        }
      }
      if column.isEmpty {
        try HistogramRun.decode(&reader, isList: isList, from: .min, to: .max, into: &histograms)
        times = histograms.map(\.timestamp)
      }
      let isAscending = zip(times, times.dropFirst()).allSatisfy { $0 < $1 }
      guard isAscending, !times.isEmpty else { throw .invalid("histograms are out of order") }
    }
    guard isThere else { return nil }
    return Run(
      times: times, column: column, histograms: histograms, damage: scan.damage("a run of histograms is malformed"))
  }
}
