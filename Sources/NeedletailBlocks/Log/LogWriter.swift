import NeedletailEnvironment

/// A piece of the log: whole records of one generation, behind room for a marker.
struct LogChunk {
  let generation: UInt64
  /// Number of the first record in it.
  let firstSequence: UInt64
  /// Number of the last one.
  var lastSequence: UInt64
  /// 32 bytes for the marker, then the records.
  var bytes: [UInt8]

  init(generation: UInt64, firstSequence: UInt64, buffer: consuming [UInt8]) {
    self.generation = generation
    self.firstSequence = firstSequence
    lastSequence = firstSequence &- 1
    bytes = buffer
    bytes.removeAll(keepingCapacity: true)
    bytes.append(contentsOf: repeatElement(0, count: LogFormat.recordHeaderBytes))
  }

  var isEmpty: Bool { bytes.count == LogFormat.recordHeaderBytes }
}

/// Writes chunks into segment files.
///
/// It never writes to, nor syncs, a file that failed once.
struct LogWriter {
  private struct Open {
    var file: any File
    var segment: LogSegmentID
    var size: UInt64
    var hasSynced = false
  }

  private let fileSystem: any FileSystem
  private let folder: String
  private let seal: LogSeal
  private let segmentBytes: UInt64
  private var open: Open?
  /// The last segment that was tried; names are never used twice.
  private var last: LogSegmentID?

  init(fileSystem: any FileSystem, folder: String, seal: LogSeal, segmentBytes: UInt64, last: LogSegmentID?) {
    self.fileSystem = fileSystem
    self.folder = folder
    self.seal = seal
    self.segmentBytes = segmentBytes
    self.last = last
  }

  /// Whether a chunk of this generation goes into the file that is open.
  func isOpen(for generation: UInt64) -> Bool {
    guard let open else { return false }
    return open.segment.generation == generation && open.size < segmentBytes
  }

  /// Starts a new segment.
  ///
  /// Its name is durable when this returns.
  mutating func start(generation: UInt64, firstSequence: UInt64) throws(FileError) {
    finish()
    var segment = LogSegmentID(generation: generation, number: 0)
    if let last, last.generation == generation { segment.number = last.number &+ 1 }
    last = segment
    let file = try fileSystem.open(folder + "/" + segment.fileName, .create)
    open = Open(file: file, segment: segment, size: 0)
    let header = LogSegmentHeader(segment: segment, firstSequence: firstSequence).encoded(seal)
    try file.write(header, at: 0)
    open?.size = UInt64(header.count)
    try fileSystem.syncDirectory(folder)
  }

  /// What a write or sync without a file throws: answering as if it were done would acknowledge what is nowhere.
  private func notOpen(_ operation: FileError.Operation) -> FileError {
    FileError(.other, operation, path: folder, reason: "no file of the log is open")
  }

  /// Writes a chunk behind a marker that everything through `durable` is durable.
  mutating func write(_ chunk: inout LogChunk, durable: UInt64) throws(FileError) {
    guard let file = open?.file, let offset = open?.size else { throw notOpen(.write) }
    let seed = seal.seed(generation: chunk.generation)
    chunk.bytes.withUnsafeMutableBytes { bytes in
      let marker = LogRecordHeader(
        kind: LogFormat.marker, sequence: durable, length: 0, payloadChecksum: 0)
      marker.write(
        to: UnsafeMutableRawBufferPointer(rebasing: bytes[..<LogFormat.recordHeaderBytes]), seed: seed)
    }
    try file.write(chunk.bytes, at: offset)
    open?.size = offset + UInt64(chunk.bytes.count)
  }

  /// Makes what was written durable.
  mutating func sync() throws(FileError) {
    guard let file = open?.file else { throw notOpen(.sync) }
    try file.sync()
    open?.hasSynced = true
  }

  /// Notes at an orderly end that everything is durable, so that a later damage at the end is not taken for a torn
  /// tail.
  mutating func seal(durable: UInt64) throws(FileError) {
    guard let generation = open?.segment.generation else { return }
    var chunk = LogChunk(generation: generation, firstSequence: durable, buffer: [])
    try write(&chunk, durable: durable)
    try sync()
  }

  /// Closes the file that is open, which is all synced.
  mutating func finish() {
    open?.file.close()
    open = nil
  }

  /// Closes the file that failed.
  ///
  /// `removingUnsynced` also removes it when nothing in it ever was durable.
  mutating func giveUp(removingUnsynced: Bool) {
    guard let failed = open else { return }
    finish()
    if removingUnsynced, !failed.hasSynced { try? fileSystem.remove(folder + "/" + failed.segment.fileName) }
  }

  /// Removes all files of generations up to this one, as far as that works: the catalog already says that they count
  /// no more, and the next start tries again. Throws what did not work.
  mutating func remove(through generation: UInt64) throws(FileError) {
    if let open, open.segment.generation <= generation { finish() }
    var failure: FileError?
    for entry in try fileSystem.list(folder) {
      guard let segment = LogSegmentID(fileName: entry.name), segment.generation <= generation else { continue }
      do throws(FileError) { try fileSystem.remove(folder + "/" + entry.name) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Sees to it that no file of generations up to this one is there, nor comes back with the power.
  mutating func removeForGood(through generation: UInt64) throws(FileError) {
    try remove(through: generation)
    try fileSystem.syncDirectory(folder)
  }
}
