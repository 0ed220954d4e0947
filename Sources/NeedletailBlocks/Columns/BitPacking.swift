// Integers of a similar size, side by side without the bits that they do not need: per group of 128 a base (the
// smallest, so that the rest is not negative), then each one's distance to it in as many bits as most of them need. The
// few that need more, or lie below the base, are patched: their upper bits follow the group. Zero bits that all have at
// their lower end are left out. All arithmetic wraps, so every 64-bit value comes back, and the groups hold their
// lengths, so the decoder checks once per group and then runs over flat memory.

import NeedletailTelemetry

/// Frame of reference and bit-packing of 64-bit integers.
///
/// A group is a byte (the width in bits, 0 to 64, or 64 more than it where a byte with the shift follows; and 128 more
/// where there are patches), the base without its zero bits as a zigzag varint, the packed bits, then, where there are
/// patches, a byte with their number, as many places in the group, and as many zigzag varints: what the upper bits hold.
package enum BitPacking {
  /// Values of one group; the last one of a column holds what is left.
  package static let groupCount = 128
  private static let patched: UInt8 = 0x80
  private static let shifted = 64
  /// The most values that `bytes` bytes can hold, which bounds what a decoder allocates.
  package static func countMax(bytes: Int) -> Int {
    let (count, overflow) = (bytes / 2).multipliedReportingOverflow(by: groupCount)
    return overflow ? Int.max : count
  }

  /// Writes the groups of `values`, which do not tell their number: at most 8.2 bytes a value, and 12.
  package static func encode(_ values: UnsafeBufferPointer<Int64>, to cursor: inout ColumnCursor) {
    guard let source = values.baseAddress else { return }
    encode(count: values.count, to: &cursor) { start, count, group in
      group.update(from: source + start, count: count)
    }
  }

  /// The same of `count` values that `fill` writes, group by group: the first one's place, their number, the memory.
  @inline(__always) static func encode(
    count: Int, to cursor: inout ColumnCursor, fill: (Int, Int, UnsafeMutablePointer<Int64>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: groupCount) { memory in
      guard let group = memory.baseAddress else { return }
      var start = 0
      while start < count {
        let size = min(groupCount, count - start)
        fill(start, size, group)
        encodeGroup(group, count: size, to: &cursor)
        start += size
      }
    }
  }

  /// Of memory that holds a whole group, whatever `count` is.
  private static func encodeGroup(
    _ values: UnsafeMutablePointer<Int64>, count: Int, to cursor: inout ColumnCursor
  ) {
    for index in count..<((count + 3) & ~3) { values[index] = values[count - 1] }
    let frame = GroupFrame.of(values, count: count)
    let head = UInt8(truncatingIfNeeded: frame.width &+ (frame.shift > 0 ? shifted : 0))
    cursor.write(byte: frame.isPatched ? head | patched : head)
    if frame.shift > 0 { cursor.write(byte: UInt8(truncatingIfNeeded: frame.shift)) }
    cursor.writeSignedVarint(frame.base &>> Int64(frame.shift))
    PackedGroup.pack(
      values, count: count, base: frame.base, shift: frame.shift, width: frame.width, to: &cursor)
    if frame.isPatched { writePatches(values, count: count, frame, to: &cursor) }
  }

  private static func writePatches(
    _ values: UnsafePointer<Int64>, count: Int, _ frame: GroupFrame, to cursor: inout ColumnCursor
  ) {
    @inline(__always) func upper(_ index: Int) -> Int64 {
      ((values[index] &- frame.base) &>> Int64(frame.shift)) &>> Int64(frame.width)
    }
    let places = cursor.place + 1
    var number = 0
    // Without a branch, which would be mispredicted often: what is no patch is overwritten.
    for index in 0..<count {
      places.storeBytes(of: UInt8(truncatingIfNeeded: index), toByteOffset: number, as: UInt8.self)
      number &+= upper(index) == 0 ? 0 : 1
    }
    cursor.write(byte: UInt8(truncatingIfNeeded: number))
    cursor.advance(number)
    for patch in 0..<number {
      cursor.writeSignedVarint(upper(Int(places.load(fromByteOffset: patch, as: UInt8.self))))
    }
  }

  /// Fills `output` with as many values; the reader stands behind their groups then.
  package static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Int64>
  ) throws(MalformedBytes) {
    guard let target = output.baseAddress else { return }
    try decode(&reader, count: output.count, into: target) { _, _ in }
  }

  /// The same; `finish` is given each group, which the processor's nearest memory holds then.
  @inline(__always) static func decode(
    _ reader: inout ByteReader, count: Int, into output: UnsafeMutablePointer<Int64>,
    finish: (UnsafeMutablePointer<Int64>, Int) -> Void
  ) throws(MalformedBytes) {
    var start = 0
    while start < count {
      let size = min(groupCount, count - start)
      try decodeGroup(&reader, count: size, into: output + start)
      finish(output + start, size)
      start += size
    }
  }

  private static func decodeGroup(
    _ reader: inout ByteReader, count: Int, into output: UnsafeMutablePointer<Int64>
  ) throws(MalformedBytes) {
    let head = try reader.read(UInt8.self)
    var width = Int(head & ~patched)
    var shift = 0
    if width > shifted {
      width -= shifted
      shift = Int(try reader.read(UInt8.self))
      guard width + shift <= 64 else { throw .invalid("an impossible shift") }
    }
    let base = try reader.readSignedVarint() &<< Int64(shift)
    guard width > 0 else {
      output.update(repeating: base, count: count)
      if head & patched != 0 { try patch(&reader, count: count, width: width, shift: shift, output) }
      return
    }
    let packed = try reader.read(count: PackedGroup.byteCount(count, width: width))
    guard let start = packed.baseAddress else { throw .truncated }
    PackedGroup.unpack(
      start, count: count, base: base, shift: shift, width: width, into: output)
    if head & patched != 0 { try patch(&reader, count: count, width: width, shift: shift, output) }
  }

  private static func patch(
    _ reader: inout ByteReader, count: Int, width: Int, shift: Int, _ output: UnsafeMutablePointer<Int64>
  ) throws(MalformedBytes) {
    let patches = Int(try reader.read(UInt8.self))
    guard patches <= count, width + shift < 64 else { throw .invalid("too many patches") }
    let places = try reader.read(count: patches)
    for place in places {
      guard Int(place) < count else { throw .invalid("a patch outside of its group") }
      let upper = try reader.readSignedVarint() &<< Int64(width + shift)
      output[Int(place)] = output[Int(place)] &+ upper
    }
  }
}
