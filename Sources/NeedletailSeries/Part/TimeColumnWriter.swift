import NeedletailBlocks
import NeedletailTelemetry

/// The distinct timestamp columns of a part in the making.
///
/// All series of a scrape have the same timestamps: a column that is there already, by its 128-bit hash, is not stored
/// again.
struct TimeColumnWriter {
  private var blocks: RunBlocks
  /// The number of the first column of each block.
  private(set) var firsts: [UInt64] = []
  private var hashes: [Hash128] = []
  /// Number + 1, so that 0 means empty.
  private var slots = [UInt32](repeating: 0, count: 256)
  private var column: [UInt8] = []

  init(_ blocks: RunBlocks) { self.blocks = blocks }

  var count: Int { hashes.count }
  var locations: [BlockLocation] { blocks.locations }

  /// The number of a column of times in ms, ascending, none twice.
  ///
  /// Expected O(times), and cheap where the column is known.
  mutating func number(of times: UnsafeBufferPointer<Int64>) throws(BlockError) -> UInt32 {
    let hash = Hash128.of(UnsafeRawBufferPointer(times))
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash.low) & mask
    while slots[slot] != 0 {
      if hashes[Int(slots[slot]) - 1] == hash { return slots[slot] - 1 }
      slot = (slot + 1) & mask
    }
    let number = UInt32(truncatingIfNeeded: hashes.count)
    hashes.append(hash)
    slots[slot] = number + 1
    if hashes.count * 2 > slots.count { grow() }
    column.removeAll(keepingCapacity: true)
    TimestampColumn.encode(times, to: &column)
    let (_, isFirst) = try blocks.append { [column] bytes in
      bytes.appendVarint(UInt64(column.count))
      bytes.append(contentsOf: column)
    }
    if isFirst { firsts.append(UInt64(number)) }
    return number
  }

  mutating func close() throws(BlockError) { try blocks.close() }

  private mutating func grow() {
    let mask = slots.count * 2 - 1
    var larger = [UInt32](repeating: 0, count: slots.count * 2)
    for (number, hash) in hashes.enumerated() {
      var slot = Int(truncatingIfNeeded: hash.low) & mask
      while larger[slot] != 0 { slot = (slot + 1) & mask }
      larger[slot] = UInt32(truncatingIfNeeded: number + 1)
    }
    slots = larger
  }
}
