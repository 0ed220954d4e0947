/// The digests of windows as they were told last, each with a mark of what they were made of: as long as that is the same,
/// they are what would be told again. What is a mark, the engine says.
package struct SlotDigestCache<Mark: Sendable>: Sendable {
  private struct Entry {
    var mark: Mark
    /// By slot.
    var digests: [RangeDigest]
  }

  private static var bytesMax: Int { 8 << 20 }

  /// How many windows are kept.
  package let windowsMax: Int
  private var entries: [Int64: Entry] = [:]
  /// Which windows had anything, all of them, and the mark of that instant.
  package private(set) var known: (mark: Mark, windows: Set<Int64>)?

  package init(_ slots: SlotMap) {
    windowsMax = max(24, Self.bytesMax / (slots.count * MemoryLayout<RangeDigest>.stride))
  }

  /// What was told of a window, and the mark of that instant.
  package subscript(window: Int64) -> (mark: Mark, digests: [RangeDigest])? {
    entries[window].map { ($0.mark, $0.digests) }
  }

  /// Keeps what was told of a window; where there is no room, of the latest windows.
  package mutating func keep(_ digests: [RangeDigest], of window: Int64, at mark: Mark) {
    entries[window] = Entry(mark: mark, digests: digests)
    if entries.count > windowsMax, let first = entries.keys.min() { entries[first] = nil }
  }

  package mutating func keep(_ windows: Set<Int64>, at mark: Mark) {
    known = (mark, windows)
  }
}
