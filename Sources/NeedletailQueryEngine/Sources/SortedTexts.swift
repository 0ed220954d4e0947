/// The union of sorted lists of texts, in the order of their bytes in UTF-8, of which only the first so many are kept:
/// it never holds more than its limit and the list that is being added.
package struct SortedTexts: Sendable {
  package private(set) var elements: [String] = []
  private let limit: Int

  /// An empty union of at most `limit` texts.
  package init(limit: Int) { self.limit = max(0, limit) }

  /// Adds a list that is sorted by bytes and names nothing twice.
  ///
  /// O(limit + list).
  package mutating func add(_ list: [String]) {
    guard !elements.isEmpty else {
      elements = Array(list.prefix(limit))
      return
    }
    var merged: [String] = []
    merged.reserveCapacity(min(limit, elements.count + list.count))
    var (old, new) = (elements[...], list[...])
    while merged.count < limit {
      guard let left = old.first, let right = new.first else { break }
      // By bytes: `==` on strings takes some of different bytes for one.
      if left.utf8.elementsEqual(right.utf8) {
        merged.append(left)
        old.removeFirst()
        new.removeFirst()
      } else if left.utf8.lexicographicallyPrecedes(right.utf8) {
        merged.append(left)
        old.removeFirst()
      } else {
        merged.append(right)
        new.removeFirst()
      }
    }
    merged += old.prefix(limit - merged.count)
    merged += new.prefix(limit - merged.count)
    elements = merged
  }
}
