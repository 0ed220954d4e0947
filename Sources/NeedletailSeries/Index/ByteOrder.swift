/// Comparing bytes as unsigned numbers, eight at a time.
enum ByteOrder {
  /// Less than, equal to or greater than 0, as the left bytes sort before, with or after the right ones; a prefix sorts
  /// first.
  @inline(__always) static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    let common = min(left.count, right.count)
    var offset = 0
    while offset + 8 <= common {
      let one = left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let other = right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      if one != other { return one.bigEndian < other.bigEndian ? -1 : 1 }
      offset += 8
    }
    while offset < common {
      if left[offset] != right[offset] { return left[offset] < right[offset] ? -1 : 1 }
      offset += 1
    }
    return left.count - right.count
  }

  @inline(__always) static func equal(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    left.count == right.count && compare(left, right) == 0
  }
}
