/// Owns memory pages that never move, and gives them back when the last one that can see them is gone.
///
/// Sound across threads: only the one writer of a table adds pages, under the lock that guards the table; everyone else
/// merely holds the owner, and `deinit` runs when nobody holds it any more.
final class PageOwner: @unchecked Sendable {
  private var pages: [UnsafeMutableRawPointer] = []

  /// A page of zeros.
  func addPage(byteCount: Int) -> UnsafeMutableRawPointer {
    let page = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
    page.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    pages.append(page)
    return page
  }

  deinit {
    for page in pages { page.deallocate() }
  }
}
