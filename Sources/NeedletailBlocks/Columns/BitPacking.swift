// Integers of a similar size, side by side without the bits that they do not need: per group of 128 a base (the
// smallest, so that the rest is not negative), then each one's distance to it in as many bits as most of them need. The
// few that need more are patched: their upper bits follow the group. All arithmetic wraps, so every 64-bit value comes
// back, and the groups hold their lengths, so the decoder checks once per group and then runs over flat memory.

import NeedletailTelemetry

/// Frame of reference and bit-packing of 64-bit integers.
///
/// A group is a byte (the width in bits, 0 to 57 or 64, and 128 where there are patches), the base as a zigzag varint,
/// the packed bits, lowest first, padded to a byte, then, where there are patches, a byte with their number, as many
/// places in the group, and as many varints: what the upper bits hold.
package enum BitPacking {
  /// Values of one group; the last one of a column holds what is left.
  package static let groupCount = 128
  /// Wider values are stored in 64 bits, so that one load of 8 bytes always holds a whole one.
  private static let partialWidthMax = 57
  private static let patched: UInt8 = 0x80
  /// The byte that names the place and about as many as the upper bits of a patch take.
  private static let patchBits = 32
  /// As many values far below the others are worth a look for another base.
  private static let lowMax = 8

  /// The most values that `bytes` bytes can hold, which bounds what a decoder allocates.
  package static func countMax(bytes: Int) -> Int {
    let (count, overflow) = (bytes / 2).multipliedReportingOverflow(by: groupCount)
    return overflow ? Int.max : count
  }

  /// Appends the groups of `values`, which do not tell their number: at most 8.2 bytes a value, and 12.
  package static func encode(_ values: UnsafeBufferPointer<Int64>, to output: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * groupCount) { scratch in
      guard let offsets = scratch.baseAddress else { return }
      var start = 0
      while start < values.count {
        let count = min(groupCount, values.count - start)
        let group = UnsafeBufferPointer(rebasing: values[start..<(start + count)])
        encodeGroup(group, offsets: offsets, packed: offsets + groupCount, to: &output)
        start += count
      }
    }
  }

  private static func encodeGroup(
    _ values: UnsafeBufferPointer<Int64>, offsets: UnsafeMutablePointer<UInt64>, packed: UnsafeMutablePointer<UInt64>,
    to output: inout [UInt8]
  ) {
    let (base, width) = frame(values)
    let mask = width == 64 ? UInt64.max : (1 << UInt64(width)) &- 1
    var all: UInt64 = 0
    for index in 0..<values.count {
      let offset = UInt64(bitPattern: values[index] &- base)
      offsets[index] = offset
      all |= offset
    }
    let hasPatches = all & ~mask != 0
    output.append(UInt8(width) | (hasPatches ? patched : 0))
    output.appendVarint(ZigZag.encode(base))
    pack(offsets, count: values.count, width: width, mask: mask, into: packed)
    output.append(contentsOf: UnsafeRawBufferPointer(start: packed, count: byteCount(values.count, width)))
    guard hasPatches else { return }
    let place = output.count
    output.append(0)
    for index in 0..<values.count where offsets[index] > mask { output.append(UInt8(truncatingIfNeeded: index)) }
    output[place] = UInt8(truncatingIfNeeded: output.count - place - 1)
    for index in 0..<values.count where offsets[index] > mask {
      output.appendVarint(offsets[index] >> UInt64(width))
    }
  }

  /// The base and the width that make the group smallest: the base is the smallest value or, so that one that lies far
  /// below all others does not cost them bits, the second smallest.
  private static func frame(_ values: UnsafeBufferPointer<Int64>) -> (base: Int64, width: Int) {
    var least = Int64.max
    var most = Int64.min
    for value in values {
      most = max(most, value)
      least = min(least, value)
    }
    let range = bits(UInt64(bitPattern: most &- least))
    // A narrow group cannot gain by patches what they cost.
    guard range > 2, range * values.count > 4 * patchBits else { return (least, stored(range)) }
    let quarter = UInt64(range - 2)
    var above = 0
    var highest = 0
    for value in values {
      // Without a branch, which would be mispredicted often: the two bits that are left, or-ed.
      let upper = UInt64(bitPattern: value &- least) &>> quarter
      above &+= Int(truncatingIfNeeded: (upper | upper &>> 1) & 1)
      highest &+= Int(truncatingIfNeeded: upper &>> 1)
    }
    var best = (base: least, width: stored(range), cost: stored(range) * values.count)
    if highest * patchBits < values.count || above * patchBits < range * values.count {
      let (width, cost) = cheapestWidth(values, base: least)
      best = (least, width, cost)
    }
    // Almost all lie far above the smallest, or few far above the others.
    if values.count - above <= lowMax || best.width < stored(range) {
      var second = Int64.max
      for value in values where value != least { second = min(second, value) }
      let other = cheapestWidth(values, base: second)
      if other.cost < best.cost { return (second, other.width) }
    }
    return (best.base, best.width)
  }

  private static func cheapestWidth(
    _ values: UnsafeBufferPointer<Int64>, base: Int64
  ) -> (width: Int, cost: Int) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 65) { counts in
      counts.initialize(repeating: 0)
      var all: UInt64 = 0
      for value in values {
        let offset = UInt64(bitPattern: value &- base)
        all |= offset
        counts[bits(offset)] &+= 1
      }
      let range = stored(bits(all))
      var best = (width: range, cost: range * values.count)
      var above = 0
      for width in stride(from: bits(all), to: 0, by: -1) {
        above += Int(counts[width])
        let narrower = width - 1
        if narrower > partialWidthMax { continue }
        let each = patchBits + max(0, bits(all) - narrower - 21) * 8 / 7
        let cost = narrower * values.count + 8 + above * each
        if cost < best.cost { best = (narrower, cost) }
        if above * patchBits > best.cost { break }
      }
      return best
    }
  }

  private static func bits(_ value: UInt64) -> Int { 64 - value.leadingZeroBitCount }
  private static func stored(_ width: Int) -> Int { width > partialWidthMax ? 64 : width }
  private static func byteCount(_ count: Int, _ width: Int) -> Int { (count * width + 7) / 8 }

  private static func pack(
    _ values: UnsafePointer<UInt64>, count: Int, width: Int, mask: UInt64, into words: UnsafeMutablePointer<UInt64>
  ) {
    if width == 64 {
      for index in 0..<count { words[index] = values[index].littleEndian }
      return
    }
    var word: UInt64 = 0
    var filled: UInt64 = 0
    var target = words
    let width = UInt64(width)
    for index in 0..<count {
      let value = values[index] & mask
      word |= value &<< filled
      filled &+= width
      if filled >= 64 {
        target.pointee = word.littleEndian
        target += 1
        filled &-= 64
        word = value &>> (width &- filled)
      }
    }
    if filled > 0 { target.pointee = word.littleEndian }
  }

  /// Fills `output` with as many values; the reader stands behind their groups then.
  package static func decode(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Int64>
  ) throws(MalformedBytes) {
    var start = 0
    while start < output.count {
      let count = min(groupCount, output.count - start)
      try decodeGroup(&reader, into: UnsafeMutableBufferPointer(rebasing: output[start..<(start + count)]))
      start += count
    }
  }

  private static func decodeGroup(
    _ reader: inout ByteReader, into output: UnsafeMutableBufferPointer<Int64>
  ) throws(MalformedBytes) {
    let head = try reader.read(UInt8.self)
    let width = Int(head & ~patched)
    guard width == stored(width), width <= 64 else { throw .invalid("an impossible width") }
    let base = try reader.readSignedVarint()
    let packed = try reader.read(count: byteCount(output.count, width))
    if width == 0 {
      output.update(repeating: base)
    } else if reader.remaining >= 8 {
      unpack(packed.baseAddress, width: width, base: base, into: output)
    } else {
      // At the end of the column a load of 8 bytes would reach behind it.
      withUnsafeTemporaryAllocation(byteCount: packed.count + 8, alignment: 8) { padded in
        padded.copyMemory(from: packed)
        for index in packed.count..<padded.count { padded[index] = 0 }
        unpack(UnsafeRawPointer(padded.baseAddress), width: width, base: base, into: output)
      }
    }
    if head & patched != 0 { try patch(&reader, width: width, output) }
  }

  private static func unpack(
    _ source: UnsafeRawPointer?, width: Int, base: Int64, into output: UnsafeMutableBufferPointer<Int64>
  ) {
    guard let source, let target = output.baseAddress else { return }
    let mask = width == 64 ? UInt64.max : (1 << UInt64(width)) &- 1
    var bit = 0
    for index in 0..<output.count {
      let word = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self))
      target[index] = Int64(bitPattern: (word &>> UInt64(truncatingIfNeeded: bit & 7)) & mask) &+ base
      bit &+= width
    }
  }

  private static func patch(
    _ reader: inout ByteReader, width: Int, _ output: UnsafeMutableBufferPointer<Int64>
  ) throws(MalformedBytes) {
    let count = Int(try reader.read(UInt8.self))
    guard count <= output.count, width < 64 else { throw .invalid("too many patches") }
    let places = try reader.read(count: count)
    for place in places {
      guard Int(place) < output.count else { throw .invalid("a patch outside of its group") }
      let upper = try reader.readVarint() &<< UInt64(width)
      output[Int(place)] = output[Int(place)] &+ Int64(bitPattern: upper)
    }
  }
}
