/// A set of slots, a bit for each: 128 bytes for the usual 1,024.
package struct HintedSlots: Equatable, Sendable {
  private var words: [UInt64] = []

  package init(_ slots: some Sequence<UInt16> = []) {
    for slot in slots { insert(slot) }
  }

  package mutating func insert(_ slot: UInt16) {
    let word = Int(slot) / 64
    if words.count <= word { words.append(contentsOf: repeatElement(0, count: word + 1 - words.count)) }
    words[word] |= 1 << UInt64(slot % 64)
  }

  package mutating func formUnion(_ other: HintedSlots) {
    if words.count < other.words.count {
      words.append(contentsOf: repeatElement(0, count: other.words.count - words.count))
    }
    for (index, word) in other.words.enumerated() { words[index] |= word }
  }

  package func intersection(_ other: HintedSlots) -> HintedSlots {
    var common = HintedSlots()
    common.words = zip(words, other.words).map { $0 & $1 }
    return common
  }

  package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// Ascending.
  package var slots: [UInt16] {
    var slots: [UInt16] = []
    for (index, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        slots.append(UInt16(truncatingIfNeeded: index * 64 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
    return slots
  }
}
