import NeedletailTelemetry

/// A set of slots, a bit each.
package struct SlotSet: Hashable, Sendable, Sequence, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// Without zeros at the end, so that equal sets are equal.
  private var words: [UInt64] = []

  package init() {}

  package init(arrayLiteral slots: UInt16...) { self.init(slots) }

  package init(_ slots: some Sequence<UInt16>) {
    for slot in slots { insert(slot) }
  }

  package var isEmpty: Bool { words.isEmpty }

  /// O(words), as all that follows.
  package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  package func contains(_ slot: UInt16) -> Bool {
    Int(slot) / 64 < words.count && words[Int(slot) / 64] & (1 << (UInt64(slot) % 64)) != 0
  }

  package mutating func insert(_ slot: UInt16) {
    let word = Int(slot) / 64
    if word >= words.count { words.append(contentsOf: repeatElement(0, count: word + 1 - words.count)) }
    words[word] |= 1 << (UInt64(slot) % 64)
  }

  /// All of a run.
  package mutating func insert(_ run: ClosedRange<UInt16>) {
    let (first, last) = (Int(run.lowerBound), Int(run.upperBound))
    if last / 64 >= words.count { words.append(contentsOf: repeatElement(0, count: last / 64 + 1 - words.count)) }
    for word in (first / 64)...(last / 64) {
      var bits = UInt64.max
      if word == first / 64 { bits &= .max << UInt64(first % 64) }
      if word == last / 64 { bits &= .max >> UInt64(63 - last % 64) }
      words[word] |= bits
    }
  }

  package mutating func remove(_ slot: UInt16) {
    guard contains(slot) else { return }
    words[Int(slot) / 64] &= ~(1 << (UInt64(slot) % 64))
    trim()
  }

  package mutating func formUnion(_ other: SlotSet) {
    if other.words.count > words.count {
      words.append(contentsOf: repeatElement(0, count: other.words.count - words.count))
    }
    for (index, word) in other.words.enumerated() { words[index] |= word }
  }

  package mutating func subtract(_ other: SlotSet) {
    for index in 0..<Swift.min(words.count, other.words.count) { words[index] &= ~other.words[index] }
    trim()
  }

  package func isDisjoint(with other: SlotSet) -> Bool { !zip(words, other.words).contains { $0 & $1 != 0 } }

  package func isSubset(of other: SlotSet) -> Bool {
    var rest = self
    rest.subtract(other)
    return rest.isEmpty
  }

  private mutating func trim() {
    while words.last == 0 { words.removeLast() }
  }

  package struct Iterator: IteratorProtocol {
    private let words: [UInt64]
    private var place = 0
    private var rest: UInt64

    init(_ words: [UInt64]) {
      self.words = words
      rest = words.first ?? 0
    }

    package mutating func next() -> UInt16? {
      while rest == 0 {
        place += 1
        guard place < words.count else { return nil }
        rest = words[place]
      }
      defer { rest &= rest - 1 }
      return UInt16(truncatingIfNeeded: place * 64 + rest.trailingZeroBitCount)
    }
  }

  /// The slots, ascending.
  package func makeIterator() -> Iterator { Iterator(words) }

  /// Runs of slots, such as `0-3,7`.
  package var description: String {
    runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
  }

  /// O(words + runs).
  private var runs: [ClosedRange<UInt16>] {
    var runs: [ClosedRange<UInt16>] = []
    var place = 0
    while let first = slot(from: place, isIn: true) {
      let end = slot(from: first, isIn: false) ?? words.count * 64
      runs.append(UInt16(truncatingIfNeeded: first)...UInt16(truncatingIfNeeded: end - 1))
      place = end
    }
    return runs
  }

  /// The first slot from one on that is in the set, or is not; nil where there is none in its words.
  private func slot(from first: Int, isIn: Bool) -> Int? {
    var mask = UInt64.max << UInt64(first % 64)
    for place in first / 64..<Swift.max(first / 64, words.count) {
      let found = (isIn ? words[place] : ~words[place]) & mask
      if found != 0 { return place * 64 + found.trailingZeroBitCount }
      mask = .max
    }
    return nil
  }
}

extension SlotSet {
  /// As runs: of each how far it lies behind the one before, and how long it is.
  func write(to writer: inout ByteWriter) {
    let runs = runs
    writer.appendVarint(UInt64(runs.count))
    var next = 0
    for run in runs {
      writer.appendVarint(UInt64(Int(run.lowerBound) - next))
      writer.appendVarint(UInt64(run.count - 1))
      next = Int(run.upperBound) + 1
    }
  }

  init(from reader: inout ByteReader) throws(MalformedBytes) {
    self.init()
    var next: UInt64 = 0
    for _ in 0..<(try reader.readCount(elementBytes: 2)) {
      let (gap, length) = (try reader.readVarint(), try reader.readVarint())
      guard gap < 65_536, length < 65_536, next + gap + length < 65_536 else {
        throw .invalid("a slot beyond all slots")
      }
      insert(UInt16(truncatingIfNeeded: next + gap)...UInt16(truncatingIfNeeded: next + gap + length))
      next += gap + length + 1
    }
  }
}
