#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// Comparisons of bytes by the machine's own routine: what compares labels runs for every series of a query.

extension UnsafeRawBufferPointer {
  /// Whether these bytes sort before the others, as unsigned bytes, a prefix first.
  package func precedes(_ other: UnsafeRawBufferPointer) -> Bool { order(to: other) < 0 }

  /// Whether these are the same bytes.
  package func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    guard let ours = baseAddress, let theirs = other.baseAddress else { return true }
    return memcmp(ours, theirs, count) == 0
  }

  /// Below, at or above 0 where these bytes sort before, with or after the others.
  package func order(to other: UnsafeRawBufferPointer) -> Int {
    if let ours = baseAddress, let theirs = other.baseAddress {
      let order = Int(memcmp(ours, theirs, Swift.min(count, other.count)))
      if order != 0 { return order }
    }
    return count - other.count
  }
}
