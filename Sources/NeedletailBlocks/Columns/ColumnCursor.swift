import NeedletailTelemetry

/// A place in memory where a column is being written; whoever makes it has made sure of the room.
///
/// A column asks for the room of its values once, so that nothing on its way checks or grows an array.
package struct ColumnCursor {
  private(set) var place: UnsafeMutableRawPointer
  /// Memory for the integers of the column's values, and an eighth more, which hold anything.
  let scratch: UnsafeMutablePointer<Int64>

  /// Bytes that any column of `count` values may write on its way, of which it keeps fewer.
  ///
  /// A packed value takes at most 8, or 12 as a patch, for patches are only where they save bits by an estimate that is
  /// never short of 2 in 3; an exception takes at most 18, and stands for one value of 8; the heads take at most 43.
  private static func room(count: Int) -> Int { 48 + count * 15 + (count / BitPacking.groupCount + 1) * 32 }

  /// Appends the bytes of a column of `count` values, which `body` writes, to `output`.
  ///
  /// Memory beyond what `output` holds is not zeroed first, which is why the bytes are not appended one by one; the
  /// scratch lies in it too, behind all that may be written.
  @inline(__always) package static func append(
    count: Int, to output: inout [UInt8], _ body: (inout ColumnCursor) -> Void
  ) {
    let room = room(count: count)
    let scratchCount = count + count / 8 + 1
    output.append(addingCapacity: room + (scratchCount + 1) * 8) { span in
      span.withUnsafeMutableBufferPointer { buffer, initialized in
        guard let start = buffer.baseAddress else { return }
        let free = UnsafeMutableRawPointer(start + initialized)
        let scratch = (free + room).alignedUp(for: Int64.self).bindMemory(to: Int64.self, capacity: scratchCount)
        var cursor = ColumnCursor(place: free, scratch: scratch)
        body(&cursor)
        initialized += cursor.place - free
      }
    }
  }

  /// Writes eight bytes, lowest first, of which `count` stay and the others are overwritten.
  @inline(__always) mutating func write(_ word: UInt64, bytes count: Int = 8) {
    place.storeBytes(of: word.littleEndian, as: UInt64.self)
    place += count
  }

  @inline(__always) mutating func write(byte: UInt8) {
    place.storeBytes(of: byte, as: UInt8.self)
    place += 1
  }

  mutating func write(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    place.copyMemory(from: start, byteCount: bytes.count)
    place += bytes.count
  }

  @inline(__always) mutating func writeVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      write(byte: UInt8(truncatingIfNeeded: rest) | 0x80)
      rest &>>= 7
    }
    write(byte: UInt8(truncatingIfNeeded: rest))
  }

  @inline(__always) mutating func writeSignedVarint(_ value: Int64) { writeVarint(ZigZag.encode(value)) }

  @inline(__always) mutating func advance(_ count: Int) { place += count }

  /// Goes back to a place where it was before.
  mutating func rewind(to earlier: UnsafeMutableRawPointer) { place = earlier }
}
