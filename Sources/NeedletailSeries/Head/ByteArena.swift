/// Bytes of many small things in a few large pages: what a head keeps of histograms and exemplars.
///
/// Growing adds a page and never moves what is there, so that no append pays for copying the arena.
struct ByteArena: Sendable {
  /// Where something lies.
  struct Reference: Sendable {
    var page: UInt32
    var offset: UInt32
    var count: UInt32
  }

  private static let pageBytes = 1 << 20

  private var pages: [[UInt8]] = []
  /// Bytes of the pages.
  private(set) var byteCount = 0

  /// Copies bytes into the arena.
  ///
  /// They come out of frames, which are far smaller than 4 GiB.
  mutating func append(_ bytes: UnsafeRawBufferPointer) -> Reference {
    if pages.isEmpty || pages[pages.count - 1].count + bytes.count > pages[pages.count - 1].capacity {
      var page: [UInt8] = []
      page.reserveCapacity(max(Self.pageBytes, bytes.count))
      byteCount += max(Self.pageBytes, bytes.count)
      pages.append(page)
    }
    let last = pages.count - 1
    let offset = pages[last].count
    pages[last].append(contentsOf: bytes)
    return Reference(
      page: UInt32(truncatingIfNeeded: last), offset: UInt32(truncatingIfNeeded: offset),
      count: UInt32(truncatingIfNeeded: bytes.count))
  }

  /// Lends the bytes in place.
  @inline(__always) func withBytes<Result>(
    _ reference: Reference, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try pages[Int(reference.page)].withUnsafeBytes { page in
      let start = Int(reference.offset)
      return try body(UnsafeRawBufferPointer(rebasing: page[start..<(start + Int(reference.count))]))
    }
  }
}
