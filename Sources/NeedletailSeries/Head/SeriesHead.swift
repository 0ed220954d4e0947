import NeedletailEnvironment
import NeedletailTelemetry

/// A head behind its lock, and the directory that numbers its series.
///
/// Appends come under the journal's lock and take this one inside it; queries take it for as long as copying a series
/// out takes. Where a directory's lock is held too, that one is taken first.
final class SeriesHead: Sendable {
  let directory: SeriesDirectory
  private let storage: Lock<HeadStorage>

  /// An empty head that keeps at most so many bytes of descriptions of metrics.
  init(_ directory: SeriesDirectory, _ slots: SlotMap, metadataBytesMax: Int) {
    self.directory = directory
    storage = Lock(HeadStorage(slots, metadataBytesMax: metadataBytesMax))
  }

  func withStorage<Result: Sendable, Failure: Error>(
    _ body: (inout HeadStorage) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try storage.withLock { (storage) throws(Failure) in try body(&storage) }
  }

  /// Whether it has something of any series.
  var hasSeries: Bool { storage.withLock { $0.activeCount > 0 } }

  /// The whole content as a value, with the directory's records.
  ///
  /// Only for a frozen head: the value is a view of the same pages.
  var snapshot: FrozenHead { FrozenHead(storage: storage.withLock { $0 }, registry: directory.records) }
}

/// A frozen head as a flush reads it: without a lock.
struct FrozenHead: Sendable {
  let storage: HeadStorage
  /// All series of the directory, those included of which the head has nothing.
  let registry: DirectoryRecords

  var metadata: MetricDescriptions { storage.metadata }
  var digests: HeadDigests { storage.digests }

  /// What those samples of a series within the range come to that are not in `digests` yet.
  func undigested(_ series: Int, _ id: SeriesID, in range: TimeRange) -> SeriesDigest {
    var digest = SeriesDigest()
    storage.forEachUndigested(series) { digest.add($0, of: SeriesDigest.key(id, start: $1), in: range) }
    return digest
  }

  /// The series that the head has something of, in the order of parts: by tenant, then as `SeriesOrder` has it.
  var sortedSeries: [UInt32] { registry.sorted(storage.activeSeries) }

  /// Whether a series has a sample within the range, as far as its earliest and latest time tell.
  func mayHave(_ series: Int, from start: Int64, to end: Int64) -> Bool {
    storage.mayHave(series, from: start, to: end)
  }

  /// When the count of the last sample or histogram of a series began, in ms; 0 where nobody told.
  func startTimestamp(_ series: Int) -> Int64 { storage.startTimestamp(series) }

  /// Appends a series' float samples within the range, sorted and settled.
  func collect(_ series: Int, from start: Int64, to end: Int64, into columns: inout SampleColumns) {
    storage.collect(series, from: start, to: end, into: &columns)
  }

  /// A series' histograms within the range, in no order.
  func histograms(_ series: Int, from start: Int64, to end: Int64) -> [StoredHistogram] {
    storage.histograms(series, from: start, to: end)
  }

  /// The exemplars within the range of the series that `isWanted` accepts, in order of arrival.
  func exemplars(from start: Int64, to end: Int64, where isWanted: (Int) -> Bool) -> [StoredExemplar] {
    storage.exemplars(from: start, to: end, where: isWanted)
  }
}
