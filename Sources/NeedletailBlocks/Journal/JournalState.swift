// What the journal's lock protects, as a plain value: positions, what waits for the disk, and who waits for it.

/// A waiter for durability.
struct JournalWaiter {
  var position: LogPosition
  var continuation: CheckedContinuation<JournalError?, Never>
}

struct JournalState {
  /// What is appended now belongs to this generation.
  var generation: UInt64
  /// The number of the last record.
  var sequence: UInt64
  /// Everything up to here is acknowledged.
  var acknowledged: UInt64
  /// Chunks that the committer has not taken yet.
  var pending: [LogChunk] = []
  /// A buffer that was written, to be used again.
  var spare: [UInt8] = []
  /// Bytes that are appended and not durable, taken by the committer or not.
  var outstandingBytes = 0
  var waiters: [JournalWaiter] = []
  /// Why the log takes nothing at the moment.
  var refusal: JournalError?
  /// Files that were given up after a write or a sync that failed.
  var filesGivenUp = 0
  var isClosed = false
  /// The last number that was frozen.
  var frozen: UInt64

  /// The chunk that records are added to is closed beyond this size, so that no buffer grows without end.
  static let chunkBytes = 4 << 20

  init(generation: UInt64, sequence: UInt64, frozen: UInt64) {
    self.generation = generation
    self.sequence = sequence
    acknowledged = sequence
    self.frozen = frozen
  }

  /// Takes the chunk to which the next record is added out of the state.
  mutating func takeOpenChunk() -> LogChunk {
    if let last = pending.last, last.generation == generation, last.bytes.count < Self.chunkBytes {
      pending.removeLast()
      return last
    }
    let buffer = spare
    spare = []
    return LogChunk(generation: generation, firstSequence: sequence + 1, buffer: buffer)
  }

  /// Takes out the waiters that are answered by everything up to `acknowledged` being so.
  mutating func takeAnswered() -> [JournalWaiter] {
    let answered = waiters.filter { $0.position.rawValue <= acknowledged }
    if !answered.isEmpty { waiters.removeAll { $0.position.rawValue <= acknowledged } }
    return answered
  }
}

/// The records of one append, as they are being logged.
package struct JournalTransaction {
  /// The log generation that the records go to: what is applied now is flushed with it.
  package let generation: UInt64
  var chunk: LogChunk
  var seed: UInt64

  /// Logs a record.
  ///
  /// The bytes are copied. Throws `.recordTooLarge`.
  package mutating func log(_ kind: LogRecordKind, _ payload: UnsafeRawBufferPointer) throws(JournalError) {
    precondition(kind.rawValue != LogFormat.marker, "record kind 0 is the log's own")
    guard payload.count <= LogFormat.payloadBytesMax else { throw .recordTooLarge(bytes: payload.count) }
    let start = chunk.bytes.count
    chunk.lastSequence += 1
    let header = LogRecordHeader(
      kind: kind.rawValue, sequence: chunk.lastSequence, length: payload.count,
      payloadChecksum: Checksum.of(payload, seed: seed))
    chunk.bytes.append(contentsOf: repeatElement(0, count: LogFormat.recordHeaderBytes))
    chunk.bytes.withUnsafeMutableBytes { bytes in
      let target = bytes[start..<start + LogFormat.recordHeaderBytes]
      header.write(to: UnsafeMutableRawBufferPointer(rebasing: target), seed: seed)
    }
    chunk.bytes.append(contentsOf: payload)
  }

  /// Logs an array as a record.
  package mutating func log(_ kind: LogRecordKind, _ payload: [UInt8]) throws(JournalError) {
    var failure: JournalError?
    payload.withUnsafeBytes { buffer in
      do throws(JournalError) { try log(kind, buffer) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
