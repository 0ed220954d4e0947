import NeedletailEnvironment

/// Walks through one segment, from record to record, and over what is none.
///
/// Holds one record in memory at a time, or as many as half a MiB.
struct LogScanner {
  /// What the next bytes are.
  enum Step: Equatable {
    /// A whole record; `payload` lends its bytes.
    case record(LogRecordHeader, range: Range<UInt64>)
    /// Bytes that are no whole record.
    case damage(Range<UInt64>)
    /// The end of the file.
    case end
  }

  /// The segment's header, when it is whole.
  let header: LogSegmentHeader?
  /// Whether the file begins as segments of every folder do.
  let isSegment: Bool
  /// The file's size in bytes.
  let size: UInt64
  private let file: any File
  private let seed: UInt64
  private var offset: UInt64
  /// A piece of the file, of which the first `loaded` bytes are there; it grows to the longest record.
  ///
  /// Small enough to stay in the processor's cache: what was copied into it is read again for its checksum, and by the
  /// engine.
  private var window: [UInt8] = []
  private var loaded = 0
  private var windowStart: UInt64 = 0
  private static let windowBytes = 1 << 19

  init(_ path: String, segment: LogSegmentID, _ seal: LogSeal, on fileSystem: any FileSystem) throws(FileError) {
    file = try fileSystem.open(path, .read)
    size = try file.size()
    seed = seal.seed(generation: segment.generation)
    offset = 0
    var start = [UInt8](repeating: 0, count: LogFormat.segmentHeaderBytes)
    let count = try Self.read(file, into: &start, 0..<start.count, at: 0)
    start.removeLast(start.count - count)
    header = start.withUnsafeBytes { LogSegmentHeader.decode($0, of: segment, seal) }
    isSegment = start.withUnsafeBytes(LogSegmentHeader.beginsWithMagic)
    offset = min(size, UInt64(LogFormat.segmentHeaderBytes))
  }

  /// Goes to a place where a record begins.
  mutating func seek(to offset: UInt64) { self.offset = min(size, offset) }

  /// Closes the file.
  func close() { file.close() }

  private static func read(
    _ file: any File, into bytes: inout [UInt8], _ range: Range<Int>, at offset: UInt64
  ) throws(FileError) -> Int {
    var failure: FileError?
    let count = bytes.withUnsafeMutableBytes { buffer in
      let target = UnsafeMutableRawBufferPointer(rebasing: buffer[range])
      do throws(FileError) { return try file.read(into: target, at: offset) } catch { failure = error }
      return 0
    }
    if let failure { throw failure }
    return count
  }

  /// Makes `count` bytes at `position` lie in the window, or fewer at the end.
  ///
  /// Returns where they lie.
  private mutating func load(_ count: Int, at position: UInt64) throws(FileError) -> Range<Int> {
    let wanted = Int(min(UInt64(count), size - min(size, position)))
    let windowEnd = windowStart + UInt64(loaded)
    if position < windowStart || position + UInt64(wanted) > windowEnd {
      try moveWindow(to: position, wanted)
    }
    let start = Int(position - windowStart)
    return start..<max(start, min(loaded, start + wanted))
  }

  /// Makes the window begin at `position` and fills it; what of that it has already is not read again.
  private mutating func moveWindow(to position: UInt64, _ wanted: Int) throws(FileError) {
    let windowEnd = windowStart + UInt64(loaded)
    let kept = position >= windowStart && position < windowEnd ? Int(windowEnd - position) : 0
    let bytes = Int(min(UInt64(max(wanted, Self.windowBytes)), size - min(size, position)))
    let old = loaded - kept
    if window.count < bytes {
      var larger: [UInt8] = []
      larger.reserveCapacity(bytes)
      larger.append(contentsOf: window[old..<loaded])
      larger.append(contentsOf: repeatElement(0, count: bytes - kept))
      window = larger
    } else if kept > 0, old > 0 {
      window.withUnsafeMutableBytes { window in
        let tail = UnsafeRawBufferPointer(rebasing: window[old..<old + kept])
        UnsafeMutableRawBufferPointer(rebasing: window[..<kept]).copyMemory(from: tail)
      }
    }
    (windowStart, loaded) = (position, kept)
    loaded += try Self.read(file, into: &window, kept..<bytes, at: position + UInt64(kept))
  }

  private mutating func header(at position: UInt64) throws(FileError) -> LogRecordHeader? {
    let range = try load(LogFormat.recordHeaderBytes, at: position)
    let seed = seed
    return window.withUnsafeBytes { LogRecordHeader(UnsafeRawBufferPointer(rebasing: $0[range]), seed: seed) }
  }

  /// The next step.
  ///
  /// `body` is lent the payload of a record, with its header and the range of the whole of it.
  mutating func next(
    _ body: (LogRecordHeader, Range<UInt64>, UnsafeRawBufferPointer) -> Void = { _, _, _ in }
  ) throws(FileError) -> Step {
    guard offset < size else { return .end }
    let start = offset
    guard let header = try header(at: start) else {
      offset = try nextHeader(after: start)
      return .damage(start..<offset)
    }
    let length = UInt64(LogFormat.recordHeaderBytes + header.length)
    guard length <= size - start else {
      offset = size
      return .damage(start..<size)
    }
    offset = start + length
    let whole = try load(Int(length), at: start)
    guard whole.count == Int(length) else { return .damage(start..<offset) }
    let isWhole = window.withUnsafeBytes { window in
      let payload = UnsafeRawBufferPointer(rebasing: window[whole].dropFirst(LogFormat.recordHeaderBytes))
      guard Checksum.of(payload, seed: seed) == header.payloadChecksum || header.kind == LogFormat.marker else {
        return false
      }
      body(header, start..<offset, payload)
      return true
    }
    return isWhole ? .record(header, range: start..<offset) : .damage(start..<offset)
  }

  /// Where the next believable header begins, or the end.
  private mutating func nextHeader(after start: UInt64) throws(FileError) -> UInt64 {
    let first = UInt8(truncatingIfNeeded: LogFormat.recordMagic)
    var position = start + 1
    while position < size {
      let start = try load(LogFormat.recordHeaderBytes, at: position).lowerBound
      guard start < loaded else { return size }
      guard let found = window[start..<loaded].firstIndex(of: first) else {
        position += UInt64(loaded - start)
        continue
      }
      position += UInt64(found - start)
      if try header(at: position) != nil { return position }
      position += 1
    }
    return size
  }
}
