// What other nodes missed, on disk (docs/formats/hint-log.md): segments of the log's own form, one folder for each node.
//
// A hint that is found again although it was released, or was never promised, does no harm: it is delivered once more,
// and changes nothing where it is known. So a release only removes whole segments and is never synced, and all care is
// for the other side: what was appended is there, or is told.

import NeedletailEnvironment
import NeedletailTelemetry

/// The durable, numbered hints for one node.
///
/// All calls block. `append`, `release`, `note` and `clearNote` are for one caller at a time; `read` may run beside them.
package final class HintLog: Sendable {
  /// A hint as it is appended.
  package struct Record: Sendable {
    package var sequence: UInt64
    /// When it was made, in ns since 1970.
    package var time: Int64
    package var payload: [UInt8]

    package init(sequence: UInt64, time: Int64, payload: [UInt8]) {
      self.sequence = sequence
      self.time = time
      self.payload = payload
    }
  }

  /// Where a hint lies.
  struct Place: Sendable {
    var sequence: UInt64
    var offset: UInt64
    /// Of the payload, the time before it included.
    var length: Int
    var checksum: UInt64
  }

  struct Segment: Sendable {
    var id: LogSegmentID
    var file: any File
    /// Behind the last byte that is durable.
    var end: UInt64
    /// Hints that are not released, ascending.
    var places: [Place] = []
  }

  struct State {
    /// Those with hints that are not released, ascending; the last one may be `isOpen`.
    var segments: [Segment] = []
    /// Whether the last segment takes more.
    var isOpen = false
    var nextNumber: UInt32 = 0
    var note = HintNote()
  }

  /// The most that one hint holds, in bytes.
  package static let payloadBytesMax = LogFormat.payloadBytesMax - timeBytes
  static let timeBytes = 8
  /// The kind of the records, apart from a marker.
  static let recordKind: UInt8 = 1
  /// Segments of hints have no generations: this stands where the log has one.
  static let generation: UInt64 = 1

  let folder: String
  let fileSystem: any FileSystem
  let seal: LogSeal
  let limits: HintLogLimits
  let state: Lock<State>

  /// Use `open`.
  init(_ folder: String, _ fileSystem: any FileSystem, _ seal: LogSeal, _ limits: HintLogLimits, _ state: State) {
    self.folder = folder
    self.fileSystem = fileSystem
    self.seal = seal
    self.limits = limits
    self.state = Lock(state)
  }

  var seed: UInt64 { seal.seed(generation: Self.generation) }

  /// Whether nothing is in it.
  package var isEmpty: Bool { state.withLock { $0.segments.isEmpty && $0.note.isEmpty } }

  // MARK: - Hints

  /// Makes hints durable, with ascending numbers above all that were appended before.
  ///
  /// Throws where it is not known that all are on disk, also where less than `HintLogLimits.freeBytesMin` would be left of the device;
  /// the file is given up then, and the next call begins another one.
  package func append(_ records: [Record]) throws(BlockError) {
    guard !records.isEmpty else { return }
    for record in records where record.payload.count > Self.payloadBytesMax {
      throw .tooLarge(path: folder, bytes: record.payload.count, max: Self.payloadBytesMax)
    }
    var places: [Place] = []
    let bytes = encode(records, &places)
    do throws(FileError) {
      let free = try fileSystem.freeBytes(folder)
      guard free >= limits.freeBytesMin, free - limits.freeBytesMin >= UInt64(bytes.count) else {
        throw FileError(.noSpace, .write, path: folder, reason: "only \(free) bytes are free")
      }
      let (file, end) = try openSegment()
      try file.write(bytes, at: end)
      try file.sync()
      for index in places.indices { places[index].offset += end }
      state.withLock { state in
        let last = state.segments.count - 1
        state.segments[last].places += places
        state.segments[last].end = end + UInt64(bytes.count)
        if state.segments[last].end >= limits.segmentBytesMax { state.isOpen = false }
      }
    } catch {
      giveUpSegment()
      throw .file(error)
    }
  }

  /// The records one behind the other; the offsets of their places count from the first.
  private func encode(_ records: [Record], _ places: inout [Place]) -> [UInt8] {
    var writer = ByteWriter(
      reserving: records.reduce(0) { $0 + $1.payload.count + Self.timeBytes + LogFormat.recordHeaderBytes })
    let seed = seed
    for record in records {
      var head = [UInt8](repeating: 0, count: LogFormat.recordHeaderBytes)
      let start = writer.count
      writer.append(head)
      writer.append(record.time)
      writer.append(record.payload)
      let length = writer.count - start - head.count
      let sum = writer.bytes.withUnsafeBytes {
        Checksum.of(UnsafeRawBufferPointer(rebasing: $0[(start + LogFormat.recordHeaderBytes)...]), seed: seed)
      }
      let header = LogRecordHeader(
        kind: Self.recordKind, sequence: record.sequence, length: length, payloadChecksum: sum)
      head.withUnsafeMutableBytes { header.write(to: $0, seed: seed) }
      for word in 0..<(head.count / 8) {
        let value = head.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self) }
        writer.overwrite(UInt64(littleEndian: value), at: start + word * 8)
      }
      places.append(
        Place(
          sequence: record.sequence, offset: UInt64(start + LogFormat.recordHeaderBytes), length: length, checksum: sum)
      )
    }
    return writer.bytes
  }

  /// The segment that takes more, and where; begins one where there is none.
  private func openSegment() throws(FileError) -> (file: any File, end: UInt64) {
    if let open = state.withLock({ state in state.isOpen ? state.segments.last.map { ($0.file, $0.end) } : nil }) {
      return open
    }
    let number = state.withLock { state in
      defer { state.nextNumber &+= 1 }
      return state.nextNumber
    }
    let id = LogSegmentID(generation: Self.generation, number: number)
    let path = folder + "/" + id.fileName
    let file = try fileSystem.open(path, .create)
    let header = LogSegmentHeader(segment: id, firstSequence: 1).encoded(seal)
    do throws(FileError) {
      try file.write(header, at: 0)
      try file.sync()
      try fileSystem.syncDirectory(folder)
    } catch {
      file.close()
      try? fileSystem.remove(path)
      throw error
    }
    let end = UInt64(header.count)
    state.withLock { state in
      state.segments.append(Segment(id: id, file: file, end: end))
      state.isOpen = true
    }
    return (file, end)
  }

  /// After a failure nobody knows what of the last segment is on disk behind its durable end: that is cut off where it
  /// can be, and reported as damage by the next start where it cannot.
  private func giveUpSegment() {
    let last = state.withLock { state -> Segment? in
      guard state.isOpen, let last = state.segments.last else { return nil }
      state.isOpen = false
      if last.places.isEmpty { state.segments.removeLast() }
      return last
    }
    guard let last else { return }
    if last.places.isEmpty {
      last.file.close()
      try? fileSystem.remove(last.file.path)
    } else {
      try? last.file.truncate(to: last.end)
    }
  }

  /// A hint that was appended and not released.
  ///
  /// Throws where it is not there any more or is not what was written.
  package func read(_ sequence: UInt64) throws(BlockError) -> [UInt8] {
    let found = state.withLock { state -> (any File, Place)? in
      for segment in state.segments {
        if let last = segment.places.last, last.sequence >= sequence {
          return segment.places.first { $0.sequence == sequence }.map { (segment.file, $0) }
        }
      }
      return nil
    }
    guard let (file, place) = found else { throw .damaged(path: folder, offset: 0, .truncated) }
    var bytes = [UInt8](repeating: 0, count: place.length)
    var failure: FileError?
    var count = 0
    bytes.withUnsafeMutableBytes { buffer in
      do throws(FileError) { count = try file.read(into: buffer, at: place.offset) } catch { failure = error }
    }
    if let failure { throw .file(failure) }
    guard count == place.length else { throw .damaged(path: file.path, offset: place.offset, .truncated) }
    guard Checksum.of(bytes, seed: seed) == place.checksum else {
      throw .damaged(path: file.path, offset: place.offset, .checksum)
    }
    bytes.removeFirst(Self.timeBytes)
    return bytes
  }

  /// Lets go of all hints up to a number; files that hold nothing else are removed.
  ///
  /// What cannot be removed is found again by the next start, and delivered once more.
  package func release(upTo sequence: UInt64) {
    let done = state.withLock { state -> [Segment] in
      var done: [Segment] = []
      while let first = state.segments.first {
        if let last = first.places.last, last.sequence > sequence {
          let kept = first.places.drop { $0.sequence <= sequence }
          state.segments[0].places = Array(kept)
          break
        }
        // The one that takes more stays, until it is full, so that a hint now and then does not make a file each.
        if state.segments.count == 1, state.isOpen, first.end < limits.segmentBytesMax / 2 {
          state.segments[0].places = []
          break
        }
        done.append(first)
        state.segments.removeFirst()
        if state.segments.isEmpty { state.isOpen = false }
      }
      return done
    }
    for segment in done {
      segment.file.close()
      try? fileSystem.remove(segment.file.path)
    }
  }

  /// Closes all files, and keeps those in which something is not released.
  package func close() {
    let segments = state.withLock { state in
      defer { (state.segments, state.isOpen) = ([], false) }
      return state.segments
    }
    for segment in segments {
      segment.file.close()
      if segment.places.isEmpty { try? fileSystem.remove(segment.file.path) }
    }
  }
}

/// What a `HintLog` keeps to.
package struct HintLogLimits: Equatable, Sendable {
  /// A segment that has so many bytes takes no more.
  package var segmentBytesMax: UInt64 = 4 << 20
  /// Bytes of the device that are left to others.
  package var freeBytesMin: UInt64 = 256 << 20

  package init() {}
}
