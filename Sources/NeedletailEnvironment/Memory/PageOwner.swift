#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Owns memory pages that never move, and gives them back when the last one that can see them is gone.
///
/// Large ones come from the system itself and go back to it at once: what the allocator of the C library frees after a
/// flush it mostly keeps. They take memory only as far as they are written to; huge ones all at once.
///
/// Sound across threads: only the one writer of a table adds pages, under the lock that guards the table; everyone else
/// merely holds the owner, and `deinit` runs when nobody holds it any more.
package final class PageOwner: @unchecked Sendable {
  private struct Page {
    var start: UnsafeMutableRawPointer
    /// Bytes of a page of the system's; 0 for one of the allocator's.
    var mappedBytes: Int
  }

  private static let mappedMin = 64 << 10
  /// What x86 and ARM call a huge page, and the system gives where it is asked to and has one.
  ///
  /// Pages of this size that are written all over, again and again, should be such: the processor then finds their places
  /// without looking up a table in memory for each, and they are taken in one step.
  package static let hugeBytes = 2 << 20

  private var pages: [Page] = []

  /// Owns no page yet.
  package init() {}

  /// A page of so many zeros, aligned to 16 bytes or more.
  ///
  /// From 64 KiB on it is the system's; one of a multiple of `hugeBytes` begins at such a multiple.
  package func addPage(byteCount: Int) -> UnsafeMutableRawPointer {
    if byteCount >= Self.mappedMin, let start = Self.map(byteCount) {
      pages.append(Page(start: start, mappedBytes: byteCount))
      return start
    }
    let start = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
    start.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    pages.append(Page(start: start, mappedBytes: 0))
    return start
  }

  /// Nil where the system gives none.
  private static func map(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    guard byteCount % hugeBytes == 0 else { return mapAnywhere(byteCount) }
    // Mapped with room to begin where a huge page may, and the room given back.
    guard let start = mapAnywhere(byteCount + hugeBytes) else { return nil }
    let before = (hugeBytes - Int(bitPattern: start) % hugeBytes) % hugeBytes
    if before > 0 { munmap(start, before) }
    munmap(start + before + byteCount, hugeBytes - before)
    #if canImport(Glibc)
      // Where the system refuses, the page is as good as any.
      _ = madvise(start + before, byteCount, MADV_HUGEPAGE)
    #endif
    return start + before
  }

  private static func mapAnywhere(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    // MAP_FAILED, which is a macro that Swift does not see.
    return Int(bitPattern: start) == -1 ? nil : start
  }

  deinit {
    for page in pages {
      if page.mappedBytes > 0 { munmap(page.start, page.mappedBytes) } else { page.start.deallocate() }
    }
  }
}
