// The bits of a group. Four lanes of 64-bit words lie side by side, and value 4r + l is in lane l, so that four values
// are shifted at once by the same number of places, with what every processor of the last twenty years has. What does
// not fill a row of four, and groups too short to pay for the padding of four lanes, are one stream of words. Words
// hold the first value in their lowest bits, and the last word of a lane only as many bytes as it needs.

import NeedletailTelemetry

/// Numbers below 2^width, side by side without their upper bits.
enum PackedGroup {
  typealias Row = SIMD4<UInt64>

  /// Below as many values there are no lanes.
  private static let laneCountMin = 32
  private static let rowBytes = MemoryLayout<Row>.size

  /// How many rows of four lanes a group of `count` has.
  @inline(__always) private static func rows(_ count: Int) -> Int { count < laneCountMin ? 0 : count &>> 2 }

  /// Bytes that `count` values take at `width`.
  @inline(__always) static func byteCount(_ count: Int, width: Int) -> Int {
    let rows = rows(count)
    return 4 &* ((rows &* width &+ 7) &>> 3) &+ (((count &- 4 &* rows) &* width &+ 7) &>> 3)
  }

  /// Writes (value less base) shifted right by `shift`, in `width` bits; upper bits are left out.
  @inline(__always) static func pack(
    _ values: UnsafePointer<Int64>, count: Int, base: Int64, shift: Int, width: Int, to cursor: inout ColumnCursor
  ) {
    guard width > 0 else { return }
    let rows = rows(count)
    if rows > 0 { packRows(values, rows: rows, base: base, shift: shift, width: width, to: &cursor) }
    if count > 4 &* rows {
      packStream(
        values + 4 &* rows, count: count &- 4 &* rows, base: base, shift: shift, width: width, to: &cursor)
    }
  }

  private static func mask(_ width: Int) -> UInt64 { UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- width) }

  private static func packRows(
    _ values: UnsafePointer<Int64>, rows: Int, base: Int64, shift: Int, width: Int, to cursor: inout ColumnCursor
  ) {
    let mask = Row(repeating: mask(width))
    let base = Row(repeating: UInt64(bitPattern: base))
    let shift = Row(repeating: UInt64(truncatingIfNeeded: shift))
    let width = UInt64(truncatingIfNeeded: width)
    var source = UnsafeRawPointer(values)
    var words = Row(repeating: 0)
    var filled: UInt64 = 0
    var target = cursor.place
    for _ in 0..<rows {
      let row = ((source.loadUnaligned(as: Row.self) &- base) &>> shift) & mask
      source += rowBytes
      words |= row &<< Row(repeating: filled)
      filled &+= width
      if filled >= 64 {
        target.storeBytes(of: words, as: Row.self)
        target += rowBytes
        filled &-= 64
        // In two steps: all 64 places may have to go.
        words = (row &>> Row(repeating: width &- filled &- 1)) &>> 1
      }
    }
    cursor.advance(target - cursor.place)
    let rest = Int(truncatingIfNeeded: (filled &+ 7) &>> 3)
    if rest > 0 { for lane in 0..<4 { cursor.write(words[lane], bytes: rest) } }
  }

  private static func packStream(
    _ values: UnsafePointer<Int64>, count: Int, base: Int64, shift: Int, width: Int, to cursor: inout ColumnCursor
  ) {
    let mask = mask(width)
    let shift = UInt64(truncatingIfNeeded: shift)
    let width = UInt64(truncatingIfNeeded: width)
    var word: UInt64 = 0
    var filled: UInt64 = 0
    for index in 0..<count {
      let value = (UInt64(bitPattern: values[index] &- base) &>> shift) & mask
      word |= value &<< filled
      filled &+= width
      if filled >= 64 {
        cursor.write(word)
        filled &-= 64
        word = (value &>> (width &- filled &- 1)) &>> 1
      }
    }
    if filled > 0 { cursor.write(word, bytes: Int(truncatingIfNeeded: (filled &+ 7) &>> 3)) }
  }

  /// Fills `count` values from `packed`, which has `byteCount` bytes.
  @inline(__always) static func unpack(
    _ packed: UnsafeRawPointer, count: Int, base: Int64, shift: Int, width: Int,
    into output: UnsafeMutablePointer<Int64>
  ) {
    let rows = rows(count)
    let rest = count &- 4 &* rows
    if rows > 0 {
      if (rows &* width) & 63 == 0 {
        unpackRows(packed, rows: rows, base: base, shift: shift, width: width, into: output)
      } else {
        unpackPadded(packed, rows: rows, base: base, shift: shift, width: width, into: output)
      }
    }
    if rest > 0 {
      unpackStream(
        UnsafeRawBufferPointer(
          start: packed + 4 &* ((rows &* width &+ 7) &>> 3), count: (rest &* width &+ 7) &>> 3),
        count: rest, base: base, shift: shift, width: width, into: output + 4 &* rows)
    }
  }

  /// The same from a copy whose last words are whole.
  private static func unpackPadded(
    _ packed: UnsafeRawPointer, rows: Int, base: Int64, shift: Int, width: Int,
    into output: UnsafeMutablePointer<Int64>
  ) {
    let words = (rows &* width &+ 63) &>> 6
    let whole = (rows &* width) &>> 6
    let last = (rows &* width &- 64 &* whole &+ 7) &>> 3
    withUnsafeTemporaryAllocation(byteCount: words &* rowBytes, alignment: 16) { memory in
      guard let start = memory.baseAddress else { return }
      start.copyMemory(from: packed, byteCount: whole &* rowBytes)
      let target = start + whole &* rowBytes
      target.initializeMemory(as: UInt8.self, repeating: 0, count: memory.count &- whole &* rowBytes)
      for lane in 0..<(last > 0 ? 4 : 0) {
        (target + 8 &* lane).copyMemory(from: packed + whole &* rowBytes + lane &* last, byteCount: last)
      }
      unpackRows(UnsafeRawPointer(start), rows: rows, base: base, shift: shift, width: width, into: output)
    }
  }

  private static func unpackRows(
    _ source: UnsafeRawPointer, rows: Int, base: Int64, shift: Int, width: Int,
    into output: UnsafeMutablePointer<Int64>
  ) {
    let mask = Row(repeating: mask(width))
    let base = Row(repeating: UInt64(bitPattern: base))
    let shift = Row(repeating: UInt64(truncatingIfNeeded: shift))
    var bit = 0
    var target = UnsafeMutableRawPointer(output)
    for _ in 0..<rows {
      let words = source + (bit &>> 6) &* rowBytes
      let used = UInt64(truncatingIfNeeded: bit & 63)
      var row = words.loadUnaligned(as: Row.self) &>> Row(repeating: used)
      if (bit & 63) &+ width > 64 {
        row |= (words + rowBytes).loadUnaligned(as: Row.self) &<< Row(repeating: 64 &- used)
      }
      target.storeBytes(of: ((row & mask) &<< shift) &+ base, as: Row.self)
      target += rowBytes
      bit &+= width
    }
  }

  private static func unpackStream(
    _ source: UnsafeRawBufferPointer, count: Int, base: Int64, shift: Int, width: Int,
    into output: UnsafeMutablePointer<Int64>
  ) {
    let mask = mask(width)
    let shift = UInt64(truncatingIfNeeded: shift)
    var word: UInt64 = 0
    var filled = 0
    var next = 0
    for index in 0..<count {
      var value = word
      if filled < width {
        let fresh = load(source, at: next)
        next &+= 8
        if filled > 0 { value |= fresh &<< UInt64(truncatingIfNeeded: filled) } else { value = fresh }
        let taken = width &- filled
        word = taken == 64 ? 0 : fresh &>> UInt64(truncatingIfNeeded: taken)
        filled = 64 &- taken
      } else {
        word = width == 64 ? 0 : word &>> UInt64(truncatingIfNeeded: width)
        filled &-= width
      }
      output[index] = Int64(bitPattern: (value & mask) &<< shift) &+ base
    }
  }

  /// The eight bytes at `offset`, or those that are there.
  @inline(__always) private static func load(_ source: UnsafeRawBufferPointer, at offset: Int) -> UInt64 {
    if offset &+ 8 <= source.count {
      return UInt64(littleEndian: source.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    var word: UInt64 = 0
    var place: UInt64 = 0
    for index in offset..<max(offset, source.count) {
      word |= UInt64(source[index]) &<< place
      place &+= 8
    }
    return word
  }
}
