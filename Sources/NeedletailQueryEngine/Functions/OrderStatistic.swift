/// Finds numbers by their place in the order of all, without sorting all of them.
enum OrderStatistic {
  /// So few are sorted.
  private static let sortedMax = 24

  /// The number at a place of the ascending order and the one after it, which is the same where it is the last; NaN
  /// comes first.
  ///
  /// There must be a number at that place. O(n) on average, O(n log n) whatever the numbers are; leaves them in another
  /// order.
  static func neighbours(in numbers: inout [Double], at place: Int) -> (Double, Double) {
    let unordered = moveUnordered(&numbers)
    let last = numbers.count - 1
    if place >= unordered { select(place, among: unordered..<numbers.count, of: &numbers) }
    guard place < last else { return (numbers[place], numbers[place]) }
    guard place + 1 >= unordered else { return (numbers[place], numbers[place + 1]) }
    var next = numbers[place + 1]
    for index in (place + 1)...last where numbers[index] < next { next = numbers[index] }
    return (numbers[place], next)
  }

  /// Moves what is no number to the front; tells how many there are.
  private static func moveUnordered(_ numbers: inout [Double]) -> Int {
    var count = 0
    for index in numbers.indices where numbers[index].isNaN {
      numbers.swapAt(index, count)
      count += 1
    }
    return count
  }

  /// Puts at a place what stands there in the order of the numbers within a range, what is less before it, what is not
  /// behind it.
  private static func select(_ place: Int, among range: Range<Int>, of numbers: inout [Double]) {
    var range = range
    // Halves are what to expect: who needs many more rounds has numbers that were made for that, or that are alike.
    var rounds = 2 * (Int.bitWidth - range.count.leadingZeroBitCount)
    while range.count > sortedMax, rounds > 0 {
      rounds -= 1
      let middle = partition(range, of: &numbers)
      if middle == place { return }
      range = place < middle ? range.lowerBound..<middle : middle + 1..<range.upperBound
    }
    numbers.withUnsafeMutableBufferPointer { $0[range].sort() }
  }

  /// Parts a range at one of its numbers, and tells where that stands then.
  ///
  /// Which way a number goes decides no branch, as no processor could tell beforehand.
  private static func partition(_ range: Range<Int>, of numbers: inout [Double]) -> Int {
    let last = range.upperBound - 1
    numbers.swapAt(pivot(of: numbers, in: range), last)
    return numbers.withUnsafeMutableBufferPointer { numbers in
      let pivot = numbers[last]
      var middle = range.lowerBound
      for index in range.lowerBound..<last {
        let number = numbers[index]
        numbers[index] = numbers[middle]
        numbers[middle] = number
        middle += number < pivot ? 1 : 0
      }
      numbers.swapAt(middle, last)
      return middle
    }
  }

  /// The place of the middle one of the first, the middle and the last number of a range.
  private static func pivot(of numbers: [Double], in range: Range<Int>) -> Int {
    let (first, middle, last) = (range.lowerBound, range.lowerBound + range.count / 2, range.upperBound - 1)
    let (low, high) = numbers[first] < numbers[last] ? (first, last) : (last, first)
    if numbers[middle] < numbers[low] { return low }
    return numbers[high] < numbers[middle] ? high : middle
  }
}
