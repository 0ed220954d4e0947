// Between the threads that record and the task that sends: one lock around one flat buffer. A record is copied in, already
// encoded; a full buffer is set aside and a fresh one begun, so taking a batch costs nothing while
// recorders wait. Batches on their way still count against the limits: the memory is bounded whatever the collector does.

import NeedletailOTLP
import Synchronization

/// A bounded queue of encoded records.
final class RecordQueue: Sendable {
  /// What became of records so far.
  struct Counts: Equatable {
    /// Taken in.
    var accepted: UInt64 = 0
    /// Refused because the queue was full.
    var dropped: UInt64 = 0
  }

  private struct State {
    var current = RecordBatch()
    var full: [RecordBatch] = []
    /// Records and bytes that wait or are on their way.
    var recordCount = 0
    var byteCount = 0
    var counts = Counts()
  }

  /// Bytes at which a batch is full, whatever its number of records: well under what receivers accept.
  private static let batchBytes = 1 << 20

  private let state = Mutex(State())
  private let recordLimit: Int
  private let byteLimit: Int
  private let batchLimit: Int
  private let wake: AsyncStream<Void>.Continuation
  /// One element when there is a reason to send: a full batch, or a flush that was asked for.
  let wakeups: AsyncStream<Void>

  init(_ signal: Needletail.Configuration.Signal) {
    recordLimit = max(1, signal.queueLimit)
    byteLimit = max(1, signal.queueByteLimit)
    batchLimit = max(1, min(signal.batchLimit, signal.queueLimit))
    (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  // Those that take the lock are never inlined: into an asynchronous function the standard library's lock must not be,
  // since it may keep where the memory of a thread is across an `await`, after which another thread may give it back.

  /// Takes a record in, or drops and counts it when there is no room.
  @inline(never) func append(_ record: [UInt8]) {
    let isBatchFull = state.withLock { state in
      guard state.recordCount < recordLimit, record.count <= byteLimit - state.byteCount else {
        state.counts.dropped += 1
        return false
      }
      let before = state.current.byteCount
      state.current.append(record: record)
      state.byteCount += state.current.byteCount - before
      state.recordCount += 1
      state.counts.accepted += 1
      guard state.current.count >= batchLimit || state.current.byteCount >= Self.batchBytes else { return false }
      let size = state.current.byteCount
      state.full.append(state.current)
      state.current = RecordBatch(capacity: size)
      return true
    }
    if isBatchFull { wake.yield() }
  }

  /// Asks for what waits to be sent now; returns at once.
  func requestFlush() { wake.yield() }

  /// The oldest batch; nil when nothing waits.
  ///
  /// Give it back with ``finish(_:)`` or ``restore(_:)``.
  @inline(never) func take() -> RecordBatch? {
    state.withLock { state in
      if !state.full.isEmpty { return state.full.removeFirst() }
      if state.current.isEmpty { return nil }
      let batch = state.current
      state.current = RecordBatch(capacity: batch.byteCount)
      return batch
    }
  }

  /// Frees the room of a batch that was delivered or given up.
  @inline(never) func finish(_ batch: RecordBatch) {
    state.withLock { state in
      state.recordCount -= batch.count
      state.byteCount -= batch.byteCount
    }
  }

  /// Puts a batch that was not delivered back in front.
  @inline(never) func restore(_ batch: RecordBatch) {
    state.withLock { $0.full.insert(batch, at: 0) }
  }

  var counts: Counts { @inline(never) get { state.withLock { $0.counts } } }
}
