import NeedletailTelemetry

/// Neighbouring values of a part's dictionary, by their numbers.
///
/// On disk each tells how many bytes it shares with the one before; the first of a block shares none.
struct DictionaryBlock: Sendable {
  /// The number of the first value.
  let first: Int
  private let text: [UInt8]
  private let ends: [Int]

  var byteCount: Int { text.count + ends.count * 8 }
  var count: Int { ends.count }
  var numbers: Range<Int> { first..<(first + ends.count) }

  /// Appends a value behind `previous`, which is empty for the first of a block.
  static func encode(
    _ value: UnsafeRawBufferPointer, after previous: UnsafeRawBufferPointer, to bytes: inout [UInt8]
  ) {
    var shared = 0
    while shared < value.count, shared < previous.count, value[shared] == previous[shared] { shared += 1 }
    bytes.appendVarint(UInt64(shared))
    bytes.appendVarint(UInt64(value.count - shared))
    bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: value[shared...]))
  }

  /// What the texts of a block may come to: a few bytes may stand for a long text each.
  private static let textBytesMax = 256 << 20

  init(decoding bytes: UnsafeRawBufferPointer, first: Int, count: Int) throws(MalformedBytes) {
    self.first = first
    var reader = ByteReader(bytes)
    var text: [UInt8] = []
    var ends: [Int] = []
    var start = 0
    for _ in 0..<count {
      guard let shared = Int(exactly: try reader.readVarint()), shared <= text.count - start else {
        throw .invalid("a value shares bytes that are not there")
      }
      let rest = try reader.readPrefixed()
      guard text.count + shared + rest.count <= Self.textBytesMax else { throw .invalid("values are too long") }
      let previous = start
      start = text.count
      // One by one: a slice would be a second owner, for which the whole array would be copied.
      for index in previous..<(previous + shared) { text.append(text[index]) }
      text.append(contentsOf: rest)
      ends.append(text.count)
    }
    try reader.expectEnd()
    self.text = text
    self.ends = ends
  }

  /// Lends the text of a value of this block.
  @inline(__always) func withText<Result>(
    _ number: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    let index = number - first
    let start = index == 0 ? 0 : ends[index - 1]
    return try text.withUnsafeBytes { text in
      try body(UnsafeRawBufferPointer(rebasing: text[start..<ends[index]]))
    }
  }

  /// The first of `range`, which lies in this block, whose text is not less than `wanted`.
  func firstNumber(notBefore wanted: UnsafeRawBufferPointer, in range: Range<Int>) -> Int {
    var (low, high) = (range.lowerBound, range.upperBound)
    while low < high {
      let middle = low + (high - low) / 2
      let isBefore = withText(middle) { ByteOrder.compare($0, wanted) < 0 }
      if isBefore { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
