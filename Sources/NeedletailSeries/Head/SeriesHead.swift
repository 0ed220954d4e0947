import NeedletailTelemetry
import Synchronization

/// A head behind its lock.
///
/// Appends come under the journal's lock and take this one inside it; queries take it for as long as copying a series
/// out takes.
final class SeriesHead: Sendable {
  private let storage: Mutex<HeadStorage>

  /// An empty head that keeps at most so many bytes of descriptions of metrics.
  init(metadataBytesMax: Int) { storage = Mutex(HeadStorage(metadataBytesMax: metadataBytesMax)) }

  func withStorage<Result: Sendable, Failure: Error>(
    _ body: (inout HeadStorage) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try storage.withLock { (storage) throws(Failure) in try body(&storage) }
  }

  /// The whole content as a value.
  ///
  /// Only for a frozen head: while the copy lives, a change would copy every table.
  var snapshot: HeadStorage { storage.withLock { $0 } }
}
