import NeedletailEnvironment

/// The journal's hand on the disk: owns the log's files and what is not known to be durable in them.
struct JournalCommitter {
  var writer: LogWriter
  /// Chunks that are not durable yet, in order.
  ///
  /// The first `written` of them are in the file that is open.
  var unsynced: [LogChunk] = []
  var written = 0
  /// Everything up to here is durable.
  var durable: UInt64
  var lastSync: Int64 = 0
  /// Files of the log that were given up after a write or a sync that failed.
  private(set) var filesGivenUp = 0

  /// Whether a file is removed that failed before anything in it was durable.
  ///
  /// Where written already means acknowledged it must stay until its records are in the next one.
  private let removesUnsynced: Bool
  /// The largest buffer that was written last, to be filled again.
  private var spare: [UInt8] = []

  init(writer: LogWriter, durable: UInt64, removesUnsynced: Bool) {
    self.writer = writer
    self.durable = durable
    self.removesUnsynced = removesUnsynced
  }

  /// Writes all chunks, and syncs when `syncs`.
  ///
  /// On an error gives the file up and tries once more in a fresh one, with everything that is not durable.
  mutating func commit(syncs: Bool) throws(FileError) {
    do throws(FileError) {
      try write(syncs: syncs)
    } catch {
      giveUp()
      do throws(FileError) {
        try write(syncs: syncs)
      } catch {
        giveUp()
        throw error
      }
    }
  }

  private mutating func giveUp() {
    writer.giveUp(removingUnsynced: removesUnsynced)
    filesGivenUp += 1
    written = 0
  }

  private mutating func write(syncs: Bool) throws(FileError) {
    while written < unsynced.count {
      let generation = unsynced[written].generation
      if !writer.isOpen(for: generation) {
        // The old file must be durable before the new one counts on it.
        try sync()
        guard let first = unsynced.first else { return }
        try writer.start(generation: first.generation, firstSequence: first.firstSequence)
      }
      try writer.write(&unsynced[written], durable: durable)
      written += 1
    }
    if syncs { try sync() }
  }

  /// Makes what was written durable and forgets it.
  private mutating func sync() throws(FileError) {
    guard written > 0 else { return }
    try writer.sync()
    durable = max(durable, unsynced[written - 1].lastSequence)
    if unsynced[written - 1].bytes.count <= 2 * JournalState.chunkBytes { spare = unsynced[written - 1].bytes }
    unsynced.removeFirst(written)
    written = 0
  }

  /// A buffer to be filled again, or none.
  mutating func takeSpare() -> [UInt8] {
    defer { spare = [] }
    return spare
  }

  /// Forgets chunks of generations that are in parts now, and removes their files.
  mutating func drop(through generation: UInt64, lastSequence: UInt64) {
    let count = unsynced.prefix { $0.generation <= generation }.count
    unsynced.removeFirst(count)
    written = max(0, written - count)
    durable = max(durable, lastSequence)
    try? writer.remove(through: generation)
  }

  /// Bytes that are not durable.
  var unsyncedBytes: Int { unsynced.reduce(0) { $0 + $1.bytes.count } }
}
