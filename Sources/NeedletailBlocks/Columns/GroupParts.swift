/// What is known of a group after one pass: of eight parts the smallest and largest value, of all the bits.
struct GroupParts {
  private(set) var least: Int64
  private(set) var most: Int64
  /// All values or-ed, of which only the trailing zeros count.
  private(set) var bits: UInt64 = 0
  /// The least distance between the smallest and the largest of a part.
  private(set) var narrowest: UInt64 = 0
  /// The smallest of that part.
  private(set) var pivot: Int64

  typealias Row = SIMD4<Int64>
  typealias Floats = SIMD4<Double>

  /// 1.5 * 2^52: added to an integer within 2^51 its bits give a double that is larger where the integer is, and the
  /// smaller and larger of two doubles is one instruction, which that of two 64-bit integers is not.
  private static let raise: Int64 = 0x4338_0000_0000_0000
  private static let raisedLeast = 4_503_599_627_370_496.0

  /// The statistics of one half, a part in each lane.
  private struct Half {
    var least: Floats
    var most: Floats
    var bits: SIMD2<Int64>

    @inline(__always) init(_ source: UnsafeRawPointer, rows: Int) {
      let raise = Row(repeating: GroupParts.raise)
      let first = source.loadUnaligned(as: Row.self) &+ raise
      least = unsafeBitCast(first, to: Floats.self)
      most = least
      bits = first.lowHalf | first.highHalf
      for row in 1..<max(1, rows) {
        let next = source.loadUnaligned(fromByteOffset: row &* 32, as: Row.self) &+ raise
        let floats = unsafeBitCast(next, to: Floats.self)
        bits |= next.lowHalf | next.highHalf
        least.replace(with: floats, where: floats .< least)
        most.replace(with: floats, where: floats .> most)
      }
    }
  }

  /// Of as many rows of four, at least one.
  init(_ values: UnsafePointer<Int64>, rows: Int) {
    let source = UnsafeRawPointer(values)
    let half = (rows &+ 1) &>> 1
    let one = Half(source, rows: half)
    let two = Half(source + (rows &- half) &* 32, rows: half)
    let (leastOne, mostOne, leastTwo, mostTwo) = (one.least, one.most, two.least, two.most)
    let all = one.bits | two.bits
    bits = UInt64(bitPattern: all[0] | all[1])
    var narrow = (mostOne[0] - leastOne[0], leastOne[0])
    var (smallest, largest) = (leastOne[0], mostOne[0])
    for lane in 0..<4 {
      let (one, two) = (mostOne[lane] - leastOne[lane], mostTwo[lane] - leastTwo[lane])
      if one < narrow.0 { narrow = (one, leastOne[lane]) }
      if two < narrow.0 { narrow = (two, leastTwo[lane]) }
      smallest = min(smallest, min(leastOne[lane], leastTwo[lane]))
      largest = max(largest, max(mostOne[lane], mostTwo[lane]))
    }
    // With no bit but these on top no value is negative or none at all, and so they compare as their bits do; they are
    // integers between 2^52 and 2^53, whose differences are exact.
    guard bits &>> 52 == 0x433, smallest >= Self.raisedLeast else {
      (least, most, pivot) = (values[0], values[0], values[0])
      measure(values, rows: rows)
      return
    }
    least = Int64(bitPattern: smallest.bitPattern) &- Self.raise
    most = Int64(bitPattern: largest.bitPattern) &- Self.raise
    pivot = Int64(bitPattern: narrow.1.bitPattern) &- Self.raise
    narrowest = UInt64(narrow.0)
  }

  /// The same, slower, for any values, of parts that lie one after the other.
  private mutating func measure(_ values: UnsafePointer<Int64>, rows: Int) {
    narrowest = .max
    bits = 0
    let part = max(1, (rows &+ 7) / 8) &* 4
    var start = 0
    while start < rows &* 4 {
      let end = min(start &+ part, rows &* 4)
      var (low, high) = (values[start], values[start])
      for index in start..<end {
        low = min(low, values[index])
        high = max(high, values[index])
        bits |= UInt64(bitPattern: values[index])
      }
      let range = UInt64(bitPattern: high &- low)
      if range < narrowest { (narrowest, pivot) = (range, low) }
      least = min(least, low)
      most = max(most, high)
      start = end
    }
  }
}
