import NeedletailEnvironment

/// Bytes of many small things in pages that never move.
///
/// Only appended to: a copy made under the writer's lock is read without it (`PagedArray` says why that is sound).
struct BytePages: @unchecked Sendable {
  private static let pageLog2 = 18
  private static let pageBytes = 1 << pageLog2
  /// References have 32 bits.
  private static let pagesMax = 1 << (32 - pageLog2)

  private var pages: [UnsafeMutableRawPointer] = []
  private let owner = PageOwner()
  private var used = Self.pageBytes
  private(set) var byteCount = 0

  /// Whether things of so many bytes surely find room.
  func hasRoom(for bytes: Int) -> Bool {
    // A thing is at most a page's rest and a page of its own.
    pages.count + 2 * (bytes >> Self.pageLog2) + 4 <= Self.pagesMax
  }

  /// Takes so many bytes that lie together; the caller fills them before anyone else learns of them.
  ///
  /// More than a page has get a page of their own.
  mutating func take(_ count: Int) -> (reference: UInt32, bytes: UnsafeMutableRawPointer) {
    if used + count > Self.pageBytes {
      pages.append(owner.addPage(byteCount: max(Self.pageBytes, count)))
      used = 0
    }
    let page = pages.count - 1
    defer {
      used = min(Self.pageBytes, used + count)
      byteCount += count
    }
    return (UInt32(truncatingIfNeeded: page << Self.pageLog2 | used), pages[page] + used)
  }

  /// Where something lies; good for as long as this value lives.
  @inline(__always) func address(_ reference: UInt32) -> UnsafeRawPointer {
    UnsafeRawPointer(pages[Int(reference) >> Self.pageLog2] + (Int(reference) & (Self.pageBytes - 1)))
  }
}
