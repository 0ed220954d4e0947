import NeedletailBlocks
import NeedletailTelemetry

/// The bytes of when the counts of a run's samples began, where that is not what its series' record tells of all.
enum RunStarts {
  /// What is to be written of the starts of `count` samples of a series whose record tells `common`; empty for nothing.
  static func encode(_ starts: StartMarks, count: Int, common: Int64) -> [UInt8] {
    if starts.common(to: 0..<count) == common { return [] }
    var values = starts.marks.map(\.start)
    var firsts = starts.marks.map(\.index)
    if firsts.first != 0 {
      values.insert(0, at: 0)
      firsts.insert(0, at: 0)
    }
    let lengths = zip(firsts, firsts.dropFirst() + [count]).map { Int64($1 - $0) }
    var bytes: [UInt8] = []
    bytes.appendVarint(UInt64(values.count))
    lengths.withUnsafeBufferPointer { IntegerColumn.encode($0, to: &bytes) }
    values.withUnsafeBufferPointer { IntegerColumn.encode($0, to: &bytes) }
    return bytes
  }

  /// Reads what `encode` wrote of so many samples.
  static func decode(_ bytes: UnsafeRawBufferPointer, count: Int) throws(MalformedBytes) -> StartMarks {
    var reader = ByteReader(bytes)
    guard let pieces = Int(exactly: try reader.readVarint()), (1...max(1, count)).contains(pieces) else {
      throw .invalid("the number of starts is out of bounds")
    }
    let lengths = try IntegerColumn.decode(&reader, count: pieces)
    let starts = try IntegerColumn.decode(&reader, count: pieces)
    try reader.expectEnd()
    var result = StartMarks()
    var index = 0
    for (length, start) in zip(lengths, starts) {
      guard length > 0, length <= Int64(count - index) else { throw .invalid("starts of a run disagree with it") }
      result.append(start, from: index)
      index += Int(length)
    }
    guard index == count else { throw .invalid("starts of a run disagree with it") }
    return result
  }

  /// The starts of a run of which nothing is said, in a series whose record tells `common`.
  ///
  /// Parts before format 6 kept the latest start of all: it was not yet known of what lies before it.
  static func common(_ common: Int64, _ times: [Int64], isLatest: Bool) -> StartMarks {
    var result = StartMarks()
    guard common != 0 else { return result }
    let first = isLatest ? times.firstIndex(notBefore: common == .max ? .max : common + 1) : 0
    if first < times.count { result.append(common, from: first) }
    return result
  }
}
