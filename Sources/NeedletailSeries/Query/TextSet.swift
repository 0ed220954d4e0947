import NeedletailTelemetry

/// Distinct texts, one behind the other in flat memory, to be had in the order of their bytes.
///
/// A text that is added again takes room only until the next time that the set is thinned out, so memory stays within
/// twice of what the distinct ones need.
struct TextSet {
  private static let thinnedMin = 1 << 14

  private var bytes: [UInt8] = []
  private var ends: [Int] = []
  /// Beyond so many texts the set is thinned out.
  private var countMax = Self.thinnedMin

  /// Adds a text, which may be there already.
  mutating func add(_ text: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: text)
    ends.append(bytes.count)
    if ends.count > countMax { thinOut() }
  }

  /// The texts in order, at most `limit`; what is not UTF-8 becomes U+FFFD.
  func sorted(limit: Int) -> [String] {
    var result: [String] = []
    forEachSorted { text in
      if result.count < limit { result.append(String(decoding: text, as: UTF8.self)) }
    }
    return result
  }

  private mutating func thinOut() {
    var distinct = TextSet()
    distinct.countMax = .max
    forEachSorted { distinct.add($0) }
    countMax = max(Self.thinnedMin, distinct.ends.count * 2)
    (bytes, ends) = (distinct.bytes, distinct.ends)
  }

  /// Calls `body` with each text once.
  ///
  /// O(n log n), and O(n) where they were added in order.
  private func forEachSorted(_ body: (UnsafeRawBufferPointer) -> Void) {
    bytes.withUnsafeBytes { bytes in
      func text(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]])
      }
      let isSorted = ends.indices.dropFirst().allSatisfy { !text($0).precedes(text($0 - 1)) }
      let order = isSorted ? Array(ends.indices) : RowSort.order(ends.count) { text($0).precedes(text($1)) }
      var last: UnsafeRawBufferPointer?
      for index in order {
        let next = text(index)
        if let last, last.hasSameBytes(as: next) { continue }
        last = next
        body(next)
      }
    }
  }
}
