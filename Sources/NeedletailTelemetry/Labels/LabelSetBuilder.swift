/// Collects labels in any order and puts them into canonical form. Reusable: `build` keeps the memory for the next set.
///
/// The bytes of names and values lie in one arena, and what is sorted are 16-byte records, so that a decoder which meets a new
/// series pays no allocation per label.
package struct LabelSetBuilder: Sendable {
  private struct Entry {
    var nameStart: UInt32
    var nameCount: UInt32
    var valueStart: UInt32
    var valueCount: UInt32

    func name(in arena: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: arena[Int(nameStart)..<(Int(nameStart) + Int(nameCount))])
    }

    func value(in arena: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: arena[Int(valueStart)..<(Int(valueStart) + Int(valueCount))])
    }
  }

  private var arena: [UInt8] = []
  private var entries: [Entry] = []

  package init() {}

  package var count: Int { entries.count }

  package mutating func removeAll() {
    arena.removeAll(keepingCapacity: true)
    entries.removeAll(keepingCapacity: true)
  }

  /// Sets a label. Of several values for one name the last wins; an empty value removes the label. Name and value together must be
  /// shorter than 2 GiB, which every receiver's limits guarantee by far.
  package mutating func set(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let nameStart = UInt32(truncatingIfNeeded: arena.count)
    arena.append(contentsOf: name)
    let valueStart = UInt32(truncatingIfNeeded: arena.count)
    arena.append(contentsOf: value)
    entries.append(
      Entry(
        nameStart: nameStart, nameCount: UInt32(truncatingIfNeeded: name.count),
        valueStart: valueStart, valueCount: UInt32(truncatingIfNeeded: value.count)))
  }

  package mutating func set(_ name: String, _ value: String) {
    var (name, value) = (name, value)
    name.withUTF8 { name in
      value.withUTF8 { set(UnsafeRawBufferPointer(name), UnsafeRawBufferPointer($0)) }
    }
  }

  /// Whether a label of this name was set.
  package func contains(_ name: String) -> Bool {
    arena.withUnsafeBytes { arena in entries.contains { $0.name(in: arena).elementsEqual(name.utf8) } }
  }

  /// Whether two labels of the same name were set since the builder was emptied.
  package var hasDuplicates: Bool {
    mutating get {
      arena.withUnsafeBytes { arena in
        sort(arena)
        for index in 1..<max(1, entries.count)
        where entries[index - 1].name(in: arena).hasSameBytes(as: entries[index].name(in: arena)) { return true }
        return false
      }
    }
  }

  /// The canonical set; the builder is empty afterwards.
  ///
  /// O(n) in the number of labels that are in order already, as most senders have them.
  package mutating func build() -> LabelSet {
    var writer = ByteWriter(reserving: arena.count + entries.count * 4)
    arena.withUnsafeBytes { arena in
      sort(arena)
      for (position, entry) in entries.enumerated() {
        let name = entry.name(in: arena)
        let isOverwritten =
          position + 1 < entries.count && name.hasSameBytes(as: entries[position + 1].name(in: arena))
        guard !isOverwritten, entry.valueCount > 0, entry.nameCount > 0 else { continue }
        writer.appendPrefixed(name)
        writer.appendPrefixed(entry.value(in: arena))
      }
    }
    removeAll()
    return LabelSet(canonicalBytes: writer.bytes)
  }

  /// Sorts by name; of one name the later stays behind.
  private mutating func sort(_ arena: UnsafeRawBufferPointer) {
    guard entries.count <= Self.insertionMax else {
      // What was set later lies later in the arena.
      return entries.sort { left, right in
        let order = left.name(in: arena).order(to: right.name(in: arena))
        return order == 0 ? left.nameStart < right.nameStart : order < 0
      }
    }
    var next = 1
    while next < entries.count {
      let entry = entries[next]
      let name = entry.name(in: arena)
      var place = next
      while place > 0, name.precedes(entries[place - 1].name(in: arena)) {
        entries[place] = entries[place - 1]
        place -= 1
      }
      entries[place] = entry
      next += 1
    }
  }

  /// Up to so many labels are sorted by insertion: usually none is out of place.
  private static let insertionMax = 32
}
