import NeedletailTelemetry

/// The labels of 1,024 neighbouring series of a part, as the ascending numbers of their values.
///
/// On disk each series tells how many labels it shares with the one before, and the others as differences.
struct LabelBlock: Sendable {
  private let numbers: [UInt32]
  private let ends: [UInt32]

  var byteCount: Int { numbers.count * 4 + ends.count * 4 }
  var count: Int { ends.count }

  /// Appends a series' labels behind those of `previous`, which are none for the first of a block.
  static func encode(_ labels: ArraySlice<UInt32>, after previous: ArraySlice<UInt32>, to bytes: inout [UInt8]) {
    var shared = 0
    while shared < labels.count, shared < previous.count,
      labels[labels.startIndex + shared] == previous[previous.startIndex + shared]
    { shared += 1 }
    bytes.appendVarint(UInt64(shared))
    bytes.appendVarint(UInt64(labels.count - shared))
    var last = shared > 0 ? labels[labels.startIndex + shared - 1] : 0
    for number in labels.dropFirst(shared) {
      bytes.appendVarint(UInt64(number &- last))
      last = number
    }
  }

  /// What a block's labels may come to: a series may share most of its labels with the one before, so that few bytes
  /// stand for many.
  private static let numbersMax = 32 << 20

  /// `valueCount` bounds the numbers.
  init(decoding bytes: UnsafeRawBufferPointer, count: Int, valueCount: Int) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    var numbers: [UInt32] = []
    var ends: [UInt32] = []
    var start = 0
    for _ in 0..<count {
      guard let shared = Int(exactly: try reader.readVarint()), shared <= numbers.count - start else {
        throw .invalid("a series shares labels that are not there")
      }
      let rest = try reader.readCount()
      guard numbers.count + shared + rest <= Self.numbersMax else { throw .invalid("too many labels") }
      let previous = start
      start = numbers.count
      // One by one: a slice would be a second owner, for which the whole array would be copied.
      for index in previous..<(previous + shared) { numbers.append(numbers[index]) }
      var last = numbers.count > start ? UInt64(numbers[numbers.count - 1]) : 0
      for _ in 0..<rest {
        last &+= try reader.readVarint()
        guard last < UInt64(valueCount) else { throw .invalid("a value is out of bounds") }
        numbers.append(UInt32(truncatingIfNeeded: last))
      }
      ends.append(UInt32(truncatingIfNeeded: numbers.count))
    }
    try reader.expectEnd()
    self.numbers = numbers
    self.ends = ends
  }

  /// The numbers of a series' values, in the order of its labels.
  @inline(__always) func labels(_ index: Int) -> ArraySlice<UInt32> {
    numbers[(index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])]
  }
}
