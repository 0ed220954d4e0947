import NeedletailTelemetry

/// Which series have a value: ascending numbers, in the smallest of three forms.
enum PostingList {
  private enum Form: UInt8 {
    /// Varints: how many, then each number less the one before.
    case deltas = 0
    /// Varints: how many runs, then for each how far it begins behind the end of the one before, and its length.
    case runs = 1
    /// A varint: the number of the first byte that is not left out; then bytes of one bit for each series.
    case bitmap = 2
  }

  /// Appends the list of some numbers, which are ascending, none twice, at least one.
  static func encode(_ numbers: ArraySlice<UInt32>, to bytes: inout [UInt8]) {
    guard let first = numbers.first, let last = numbers.last else { return }
    var deltaBytes = varintBytes(UInt64(numbers.count))
    var runBytes = 0
    var runs = 0
    var previous: UInt32 = 0
    var runStart = first
    var runEnd: UInt32 = 0
    for number in numbers {
      deltaBytes += varintBytes(UInt64(number - previous))
      previous = number
      if runs > 0, number == runEnd { runEnd += 1; continue }
      if runs > 0 { runBytes += varintBytes(UInt64(runEnd - runStart)) }
      runBytes += varintBytes(UInt64(number - runEnd))
      runs += 1
      runStart = number
      runEnd = number + 1
    }
    runBytes += varintBytes(UInt64(runEnd - runStart)) + varintBytes(UInt64(runs))
    let bitmapBytes = varintBytes(UInt64(first / 8)) + Int(last / 8 - first / 8) + 1
    if runBytes <= min(deltaBytes, bitmapBytes) {
      encodeRuns(numbers, count: runs, to: &bytes)
    } else if deltaBytes <= bitmapBytes {
      bytes.append(Form.deltas.rawValue)
      bytes.appendVarint(UInt64(numbers.count))
      var previous: UInt32 = 0
      for number in numbers {
        bytes.appendVarint(UInt64(number - previous))
        previous = number
      }
    } else {
      bytes.append(Form.bitmap.rawValue)
      bytes.appendVarint(UInt64(first / 8))
      let start = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: Int(last / 8 - first / 8) + 1))
      for number in numbers { bytes[start + Int(number / 8 - first / 8)] |= 1 << UInt8(number & 7) }
    }
  }

  private static func encodeRuns(_ numbers: ArraySlice<UInt32>, count: Int, to bytes: inout [UInt8]) {
    bytes.append(Form.runs.rawValue)
    bytes.appendVarint(UInt64(count))
    var end: UInt32 = 0
    var index = numbers.startIndex
    while index < numbers.endIndex {
      let start = numbers[index]
      bytes.appendVarint(UInt64(start - end))
      end = start
      while index < numbers.endIndex, numbers[index] == end {
        end += 1
        index += 1
      }
      bytes.appendVarint(UInt64(end - start))
    }
  }

  private static func varintBytes(_ value: UInt64) -> Int { max(1, (70 - (value | 1).leadingZeroBitCount) / 7) }

  /// Adds the members to the set; throws where one is not below the set's universe.
  static func insert(_ bytes: UnsafeRawBufferPointer, into set: inout SeriesBitmap) throws(MalformedBytes) {
    let universe = UInt64(set.universe)
    var reader = ByteReader(bytes)
    guard let form = Form(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown form of a list") }
    switch form {
    case .deltas:
      var number: UInt64 = 0
      for _ in 0..<(try reader.readCount()) {
        number &+= try reader.readVarint()
        guard number < universe else { throw .invalid("a series is out of bounds") }
        set.insert(Int(number))
      }
    case .runs:
      var end: UInt64 = 0
      for _ in 0..<(try reader.readCount(elementBytes: 2)) {
        let start = end &+ (try reader.readVarint())
        let length = try reader.readVarint()
        guard start <= universe, start >= end, length <= universe - start else {
          throw .invalid("a series is out of bounds")
        }
        end = start + length
        set.insert(Int(start)..<Int(end))
      }
    case .bitmap:
      guard let first = Int(exactly: try reader.readVarint()), first <= set.universe / 8 else {
        throw .invalid("a series is out of bounds")
      }
      let words = try reader.read(count: reader.remaining)
      for (index, byte) in words.enumerated() {
        var rest = byte
        while rest != 0 {
          let number = (first + index) * 8 + rest.trailingZeroBitCount
          guard number < set.universe else { throw .invalid("a series is out of bounds") }
          set.insert(number)
          rest &= rest - 1
        }
      }
    }
    try reader.expectEnd()
  }

  /// How many members there are, without looking at each of a list or of runs.
  static func count(_ bytes: UnsafeRawBufferPointer) -> Int? {
    var reader = ByteReader(bytes)
    guard let form = (try? reader.read(UInt8.self)).flatMap(Form.init(rawValue:)) else { return nil }
    switch form {
    case .deltas: return try? reader.readCount()
    case .runs:
      guard let runs = try? reader.readCount(elementBytes: 2) else { return nil }
      var sum: UInt64 = 0
      for _ in 0..<runs {
        guard (try? reader.readVarint()) != nil, let length = try? reader.readVarint() else { return nil }
        sum = sum &+ length
      }
      return Int(exactly: sum)
    case .bitmap:
      guard (try? reader.readVarint()) != nil, let words = try? reader.read(count: reader.remaining) else { return nil }
      return words.reduce(0) { $0 + $1.nonzeroBitCount }
    }
  }
}

/// The posting lists of neighbouring values, each after its length.
struct PostingsBlock: Sendable {
  let first: Int
  private let bytes: [UInt8]
  private let lists: [Range<Int>]

  var byteCount: Int { bytes.count + lists.count * 16 }
  var numbers: Range<Int> { first..<(first + lists.count) }

  init(decoding bytes: [UInt8], first: Int, count: Int) throws(MalformedBytes) {
    self.first = first
    self.bytes = bytes
    var lists: [Range<Int>] = []
    var problem: MalformedBytes?
    bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      do throws(MalformedBytes) {
        for _ in 0..<count {
          let list = try reader.readPrefixed()
          lists.append((reader.offset - list.count)..<reader.offset)
        }
        try reader.expectEnd()
      } catch { problem = error }
    }
    if let problem { throw problem }
    self.lists = lists
  }

  /// Adds the series that have a value of this block.
  func insertSeries(withValue number: Int, into set: inout SeriesBitmap) throws(MalformedBytes) {
    var problem: MalformedBytes?
    bytes.withUnsafeBytes { bytes in
      do throws(MalformedBytes) {
        try PostingList.insert(UnsafeRawBufferPointer(rebasing: bytes[lists[number - first]]), into: &set)
      } catch { problem = error }
    }
    if let problem { throw problem }
  }

  /// How many series have a value of this block.
  func memberCount(ofValue number: Int) -> Int? {
    bytes.withUnsafeBytes { PostingList.count(UnsafeRawBufferPointer(rebasing: $0[lists[number - first]])) }
  }
}
