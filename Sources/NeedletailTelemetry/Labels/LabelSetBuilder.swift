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
    entries.contains { self.name(of: $0).elementsEqual(name.utf8) }
  }

  /// Whether two labels of the same name were set since the builder was emptied.
  package var hasDuplicates: Bool {
    let names = entries.map { name(of: $0) }.sorted { $0.lexicographicallyPrecedes($1) }
    return zip(names, names.dropFirst()).contains { $0.elementsEqual($1) }
  }

  /// The canonical set; the builder is empty afterwards. O(n log n) in the number of labels.
  package mutating func build() -> LabelSet {
    var writer = ByteWriter(reserving: arena.count + entries.count * 2)
    let order = entries.indices.sorted { left, right in
      let one = name(of: entries[left])
      let other = name(of: entries[right])
      return one.elementsEqual(other) ? left < right : one.lexicographicallyPrecedes(other)
    }
    for (position, index) in order.enumerated() {
      let entry = entries[index]
      let isOverwritten =
        position + 1 < order.count && name(of: entry).elementsEqual(name(of: entries[order[position + 1]]))
      guard !isOverwritten, entry.valueCount > 0, entry.nameCount > 0 else { continue }
      writer.appendVarint(UInt64(entry.nameCount))
      writer.append(name(of: entry))
      writer.appendVarint(UInt64(entry.valueCount))
      writer.append(arena[Int(entry.valueStart)..<Int(entry.valueStart + entry.valueCount)])
    }
    removeAll()
    return LabelSet(canonicalBytes: writer.bytes)
  }

  private func name(of entry: Entry) -> ArraySlice<UInt8> {
    arena[Int(entry.nameStart)..<Int(entry.nameStart + entry.nameCount)]
  }
}
