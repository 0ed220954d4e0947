import NeedletailEnvironment

/// Walks through one segment, from record to record, and over what is none.
///
/// Holds one record in memory at a time.
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
  /// The file's size in bytes.
  let size: UInt64
  private let file: any File
  private let seed: UInt64
  private var offset: UInt64
  /// Bytes of the file, of which the first `filled` are read.
  private var window: [UInt8] = []
  private var filled = 0
  private var windowStart: UInt64 = 0
  private let windowBytes = 1 << 20

  init(_ path: String, segment: LogSegmentID, _ seal: LogSeal, on fileSystem: any FileSystem) throws(FileError) {
    file = try fileSystem.open(path, .read)
    size = try file.size()
    seed = seal.seed(generation: segment.generation)
    offset = 0
    var start = [UInt8](repeating: 0, count: LogFormat.segmentHeaderBytes)
    let count = try Self.read(file, into: &start, from: 0, through: start.count, at: 0)
    start.removeLast(start.count - count)
    header = start.withUnsafeBytes { LogSegmentHeader.decode($0, of: segment, seal) }
    offset = min(size, UInt64(LogFormat.segmentHeaderBytes))
  }

  /// Goes to a place where a record begins.
  mutating func seek(to offset: UInt64) { self.offset = min(size, offset) }

  /// Closes the file.
  func close() { file.close() }

  private static func read(
    _ file: any File, into bytes: inout [UInt8], from first: Int, through end: Int, at offset: UInt64
  ) throws(FileError) -> Int {
    var failure: FileError?
    let count = bytes.withUnsafeMutableBytes { buffer in
      let target = UnsafeMutableRawBufferPointer(rebasing: buffer[first..<end])
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
    if position < windowStart || position + UInt64(wanted) > windowStart + UInt64(filled) {
      try fill(max(wanted, windowBytes), at: position)
    }
    let start = min(filled, Int(position - windowStart))
    return start..<min(filled, start + wanted)
  }

  /// Makes the window begin at `position`; bytes that it has already are moved instead of read again.
  private mutating func fill(_ count: Int, at position: UInt64) throws(FileError) {
    let bytes = Int(min(UInt64(count), size - min(size, position)))
    var kept = 0
    if position >= windowStart, position < windowStart + UInt64(filled) {
      let first = Int(position - windowStart)
      kept = min(bytes, filled - first)
      window.withUnsafeMutableBytes { window in
        let moved = UnsafeRawBufferPointer(rebasing: window[first..<first + kept])
        UnsafeMutableRawBufferPointer(rebasing: window[..<kept]).copyMemory(from: moved)
      }
    }
    if window.count < bytes { window += [UInt8](repeating: 0, count: bytes - window.count) }
    (windowStart, filled) = (position, kept)
    filled += try Self.read(file, into: &window, from: kept, through: bytes, at: position + UInt64(kept))
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
      guard start < filled else { return size }
      guard let found = window[start..<filled].firstIndex(of: first) else {
        position += UInt64(filled - start)
        continue
      }
      position += UInt64(found - start)
      if try header(at: position) != nil { return position }
      position += 1
    }
    return size
  }
}
