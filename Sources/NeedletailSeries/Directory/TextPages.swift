/// Texts in pages that never move, each after its length as a varint: the form in which canonical labels have them.
///
/// Only appended to: a copy made under the writer's lock is read without it (`PagedArray` says why that is sound).
struct TextPages: Sendable {
  private var pages = BytePages()

  var byteCount: Int { pages.byteCount }

  /// Whether texts of so many bytes, lengths included, surely find room.
  func hasRoom(for bytes: Int) -> Bool { pages.hasRoom(for: bytes) }

  /// Copies a text with its length in front of it.
  mutating func append(_ prefixed: UnsafeRawBufferPointer) -> UInt32 {
    let (reference, bytes) = pages.take(prefixed.count)
    if let source = prefixed.baseAddress { bytes.copyMemory(from: source, byteCount: prefixed.count) }
    return reference
  }

  /// A text with its length in front of it.
  ///
  /// The memory is good for as long as this value lives.
  @inline(__always) func prefixed(_ reference: UInt32) -> UnsafeRawBufferPointer {
    let start = pages.address(reference)
    let (header, count) = Self.length(start)
    return UnsafeRawBufferPointer(start: start, count: header + count)
  }

  /// A text without its length.
  @inline(__always) func text(_ reference: UInt32) -> UnsafeRawBufferPointer {
    let start = pages.address(reference)
    let (header, count) = Self.length(start)
    return UnsafeRawBufferPointer(start: start + header, count: count)
  }

  /// Whether a text equals another, both with their lengths in front.
  @inline(__always) func equals(_ reference: UInt32, _ other: UnsafeRawBufferPointer) -> Bool {
    let start = pages.address(reference)
    let (header, count) = Self.length(start)
    guard header + count == other.count, let second = other.baseAddress else { return false }
    var offset = 0
    while offset + 8 <= other.count {
      let left = start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      if left != second.loadUnaligned(fromByteOffset: offset, as: UInt64.self) { return false }
      offset += 8
    }
    while offset < other.count {
      if start.load(fromByteOffset: offset, as: UInt8.self) != second.load(fromByteOffset: offset, as: UInt8.self) {
        return false
      }
      offset += 1
    }
    return true
  }

  /// The bytes of the varint at an address that `append` wrote, and its value.
  @inline(__always) private static func length(_ start: UnsafeRawPointer) -> (header: Int, count: Int) {
    var byte = start.load(as: UInt8.self)
    if byte < 0x80 { return (1, Int(byte)) }
    var (count, shift, header) = (Int(byte & 0x7f), 7, 1)
    while byte >= 0x80 {
      byte = start.load(fromByteOffset: header, as: UInt8.self)
      count |= Int(byte & 0x7f) << shift
      shift += 7
      header += 1
    }
    return (header, count)
  }
}
