import NeedletailTelemetry

/// Texts, each once within its group, numbered in the order in which they came.
///
/// An open-addressing table over flat memory: no object for a text.
struct TextTable: Sendable {
  struct Entry: Sendable {
    var start: Int
    var count: UInt32
    var group: UInt32
    fileprivate var hash: UInt32
  }

  private(set) var entries: [Entry] = []
  private var bytes: [UInt8] = []
  /// Number + 1, so that 0 means empty.
  private var slots = [UInt32](repeating: 0, count: 64)

  var count: Int { entries.count }

  /// The number of a text, given on first use.
  ///
  /// Expected O(bytes of the text).
  mutating func number(of text: UnsafeRawBufferPointer, group: UInt32) -> UInt32 {
    let hash = UInt32(truncatingIfNeeded: xxHash64(text, seed: UInt64(group)))
    let mask = slots.count - 1
    var position = Int(hash) & mask
    while slots[position] != 0 {
      let number = Int(slots[position]) - 1
      if entries[number].hash == hash, entries[number].group == group, isEqual(number, text) {
        return UInt32(truncatingIfNeeded: number)
      }
      position = (position + 1) & mask
    }
    slots[position] = UInt32(truncatingIfNeeded: entries.count + 1)
    entries.append(
      Entry(start: bytes.count, count: UInt32(truncatingIfNeeded: text.count), group: group, hash: hash))
    bytes.append(contentsOf: text)
    if entries.count * 2 > slots.count { grow() }
    return UInt32(truncatingIfNeeded: entries.count - 1)
  }

  private func isEqual(_ number: Int, _ text: UnsafeRawBufferPointer) -> Bool {
    withText(number) { ByteOrder.equal($0, text) }
  }

  private mutating func grow() {
    let mask = slots.count * 2 - 1
    var larger = [UInt32](repeating: 0, count: slots.count * 2)
    for (number, entry) in entries.enumerated() {
      var position = Int(entry.hash) & mask
      while larger[position] != 0 { position = (position + 1) & mask }
      larger[position] = UInt32(truncatingIfNeeded: number + 1)
    }
    slots = larger
  }

  /// Lends the bytes of a text.
  @inline(__always) func withText<Result>(
    _ number: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    let entry = entries[number]
    return try bytes.withUnsafeBytes { bytes in
      try body(UnsafeRawBufferPointer(rebasing: bytes[entry.start..<(entry.start + Int(entry.count))]))
    }
  }

  /// All numbers by the order of their groups, then by their texts.
  ///
  /// `groupRanks` tells the order of the groups. O(n log n); a group whose texts came in order takes O(n).
  func order(groupRanks: [UInt32]) -> [Int] {
    struct Key {
      var rank: UInt32
      var number: UInt32
      /// The first eight bytes: most texts differ in them, and they save looking the text up.
      var prefix: UInt64
    }
    let keys = entries.indices.map { number in
      Key(
        rank: groupRanks[Int(entries[number].group)], number: UInt32(truncatingIfNeeded: number),
        prefix: withText(number) { text in
          var prefix: UInt64 = 0
          for index in 0..<8 { prefix = prefix << 8 | (index < text.count ? UInt64(text[index]) : 0) }
          return prefix
        })
    }
    return bytes.withUnsafeBytes { bytes in
      func text(_ number: UInt32) -> UnsafeRawBufferPointer {
        let entry = entries[Int(number)]
        return UnsafeRawBufferPointer(rebasing: bytes[entry.start..<(entry.start + Int(entry.count))])
      }
      return keys.sorted { left, right in
        if left.rank != right.rank { return left.rank < right.rank }
        if left.prefix != right.prefix { return left.prefix < right.prefix }
        return ByteOrder.compare(text(left.number), text(right.number)) < 0
      }.map { Int($0.number) }
    }
  }
}
