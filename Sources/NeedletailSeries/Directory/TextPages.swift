import NeedletailEnvironment
import NeedletailTelemetry

/// Texts in pages that never move, each after its length as a varint: the form in which canonical labels have them.
///
/// Only appended to: a copy made under the writer's lock is read without it (`PagedArray` says why that is sound).
struct TextPages: @unchecked Sendable {
  private static let pageLog2 = 18
  private static let pageBytes = 1 << pageLog2
  /// References have 32 bits.
  private static let pagesMax = 1 << (32 - pageLog2)

  private var pages: [UnsafeMutableRawPointer] = []
  private let owner = PageOwner()
  private var used = Self.pageBytes
  private(set) var byteCount = 0

  /// Whether texts of so many bytes, lengths included, surely find room.
  func hasRoom(for bytes: Int) -> Bool {
    // A text is at most a page's rest and a page of its own.
    pages.count + 2 * (bytes >> Self.pageLog2) + 4 <= Self.pagesMax
  }

  /// Copies a text with its length in front of it.
  ///
  /// One that is larger than a page gets a page of its own.
  mutating func append(_ prefixed: UnsafeRawBufferPointer) -> UInt32 {
    if used + prefixed.count > Self.pageBytes {
      pages.append(owner.addPage(byteCount: max(Self.pageBytes, prefixed.count)))
      used = 0
    }
    let page = pages.count - 1
    if let source = prefixed.baseAddress {
      (pages[page] + used).copyMemory(from: source, byteCount: prefixed.count)
    }
    defer {
      used = min(Self.pageBytes, used + prefixed.count)
      byteCount += prefixed.count
    }
    return UInt32(truncatingIfNeeded: page << Self.pageLog2 | used)
  }

  /// A text with its length in front of it.
  ///
  /// The memory is good for as long as this value lives.
  @inline(__always) func prefixed(_ reference: UInt32) -> UnsafeRawBufferPointer {
    let start = address(reference)
    let (header, count) = Self.length(start)
    return UnsafeRawBufferPointer(start: start, count: header + count)
  }

  /// A text without its length.
  @inline(__always) func text(_ reference: UInt32) -> UnsafeRawBufferPointer {
    let start = address(reference)
    let (header, count) = Self.length(start)
    return UnsafeRawBufferPointer(start: start + header, count: count)
  }

  /// Whether a text equals another, both with their lengths in front.
  @inline(__always) func equals(_ reference: UInt32, _ other: UnsafeRawBufferPointer) -> Bool {
    let start = address(reference)
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

  @inline(__always) private func address(_ reference: UInt32) -> UnsafeRawPointer {
    UnsafeRawPointer(pages[Int(reference) >> Self.pageLog2] + (Int(reference) & (Self.pageBytes - 1)))
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
