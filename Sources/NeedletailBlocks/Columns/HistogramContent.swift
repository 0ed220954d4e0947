import NeedletailTelemetry

/// A column of histograms whose numbers are unpacked, bucket by bucket still.
struct HistogramContent {
  private(set) var times: [Int64] = []
  private(set) var layouts = HistogramLayouts()
  private(set) var hints: [NativeHistogram.ResetHint] = []
  private let buckets: HistogramBuckets
  private let isInteger: Bool
  private var sums: [Double] = []
  /// Integers or the bits of floats, one for each histogram: of the buckets of zero, and of all; of integers, what the
  /// buckets leave of the latter.
  private var zeroCounts = Words(count: 0)
  private var counts = Words(count: 0)
  /// The same for each bucket of each histogram, column by column.
  private var values = Words(count: 0)

  /// Memory that is not zeroed first.
  private final class Words {
    let memory: UnsafeMutableBufferPointer<Int64>

    init(count: Int) { memory = .allocate(capacity: count) }

    deinit { memory.deallocate() }
  }

  /// The numbers of a histogram.
  struct Numbers {
    var zeroCount: Double
    var count: Double
    var sum: Double
    /// The values of its buckets, the positive ones first; good until the next histogram.
    fileprivate var values: UnsafeRawPointer

    /// Those of some of its buckets.
    @inline(__always) func buckets(_ range: Range<Int>) -> [Double] {
      if range.isEmpty { return [] }
      return [Double](unsafeUninitializedCapacity: range.count) { buffer, count in
        UnsafeMutableRawBufferPointer(buffer).baseAddress?
          .copyMemory(from: values + range.lowerBound * 8, byteCount: range.count * 8)
        count = range.count
      }
    }

    /// Puts them where they stand in the byte form of a histogram of a layout.
    @inline(__always) func write(
      _ layout: HistogramLayout, _ hint: NativeHistogram.ResetHint, to bytes: UnsafeMutableRawBufferPointer
    ) {
      guard let start = bytes.baseAddress, bytes.count == layout.byteCount else { return }
      typealias Layout = HistogramLayout
      start.storeBytes(of: hint.rawValue, toByteOffset: Layout.hintOffset, as: UInt8.self)
      start.storeBytes(
        of: zeroCount.bitPattern.littleEndian, toByteOffset: Layout.zeroCountOffset, as: UInt64.self)
      start.storeBytes(of: count.bitPattern.littleEndian, toByteOffset: Layout.countOffset, as: UInt64.self)
      start.storeBytes(of: sum.bitPattern.littleEndian, toByteOffset: Layout.sumOffset, as: UInt64.self)
      (start + layout.positiveOffset).copyMemory(from: values, byteCount: layout.positiveCount * 8)
      (start + layout.negativeOffset)
        .copyMemory(from: values + layout.positiveCount * 8, byteCount: layout.negativeCount * 8)
    }
  }

  /// No histogram.
  init() {
    buckets = HistogramBuckets(layouts)
    isInteger = true
  }

  /// Reads what follows the times of a column, to the end of the bytes.
  init(decoding reader: inout ByteReader, _ times: [Int64], isInteger: Bool) throws(MalformedBytes) {
    self.times = times
    self.isInteger = isInteger
    layouts = try HistogramLayouts(decoding: &reader, count: times.count, bytesMax: HistogramColumn.bytesMax)
    hints = try HistogramHints.decode(&reader, count: times.count)
    buckets = HistogramBuckets(layouts)
    try DoubleColumn.decode(&reader, countMax: times.count, to: &sums)
    guard sums.count == times.count else { throw .invalid("times and sums of histograms disagree") }
    zeroCounts = Words(count: times.count)
    counts = Words(count: times.count)
    values = Words(count: buckets.valueCount)
    if isInteger { try decodeIntegers(&reader) } else { try decodeFloats(&reader) }
    try reader.expectEnd()
  }

  private func decodeIntegers(_ reader: inout ByteReader) throws(MalformedBytes) {
    try IntegerColumn.decode(&reader, into: zeroCounts.memory)
    try IntegerColumn.decode(&reader, into: counts.memory)
    try decodeSteps(&reader)
  }

  private func decodeFloats(_ reader: inout ByteReader) throws(MalformedBytes) {
    for words in [zeroCounts, counts] {
      let memory = UnsafeMutableRawBufferPointer(words.memory)
      let floats = memory.bindMemory(to: Double.self)
      defer { _ = memory.bindMemory(to: Int64.self) }
      guard try DoubleColumn.decode(&reader, into: floats) == times.count else {
        throw .invalid("times and counts of histograms disagree")
      }
    }
    var distinct: [Double] = []
    try DoubleColumn.decode(&reader, countMax: buckets.valueCount, to: &distinct)
    try decodeSteps(&reader)
    for index in values.memory.indices {
      let rank = values.memory[index]
      guard rank >= 0, rank < distinct.count else { throw .invalid("a value is none of the distinct ones") }
      values.memory[index] = Int64(bitPattern: distinct[Int(rank)].bitPattern)
    }
  }

  /// Reads the first value of each bucket and the steps to the others.
  private func decodeSteps(_ reader: inout ByteReader) throws(MalformedBytes) {
    let columns = buckets.columnCount
    let firsts = Words(count: columns)
    try IntegerColumn.decode(&reader, into: firsts.memory)
    // The steps lie behind where the firsts will be, so that what a value is made from is not overwritten before.
    try IntegerColumn.decode(&reader, into: UnsafeMutableBufferPointer(rebasing: values.memory[columns...]))
    guard let target = values.memory.baseAddress else { return }
    var step = columns
    for column in 0..<columns {
      var value = firsts.memory[column]
      target[buckets.starts[column]] = value
      for index in (buckets.starts[column] + 1)..<buckets.starts[column + 1] {
        value = value &+ target[step]
        step &+= 1
        target[index] = value
      }
    }
  }

  // MARK: - Histograms

  /// Calls `body` with each histogram within the range, in order: its place, the number of its layout, its numbers.
  @inline(__always) func forEach(from start: Int64, to end: Int64, _ body: (Int, Int, Numbers) -> Void) {
    guard let last = times.lastIndex(where: { $0 >= start && $0 <= end }) else { return }
    var index = 0
    // Of each column, where the value of the next histogram that has the bucket is.
    var cursors = buckets.starts
    let widest = layouts.all.reduce(1) { max($0, $1.bucketCount) }
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: widest) { row in
      guard let row = row.baseAddress else { return }
      cursors.withUnsafeMutableBufferPointer { cursors in
        for stretch in layouts.stretches {
          buckets.withColumns(of: stretch.layout) { columns in
            let stretchEnd = min(index &+ stretch.count, last &+ 1)
            while index < stretchEnd {
              if times[index] >= start, times[index] <= end {
                body(index, stretch.layout, numbers(index, columns, cursors, row))
                index &+= 1
              } else {
                let first = index
                while index < stretchEnd, times[index] < start || times[index] > end { index &+= 1 }
                for column in columns { cursors[Int(column)] &+= index &- first }
              }
            }
          }
        }
      }
    }
  }

  /// The numbers of a histogram, of which those of the buckets are put into `row`.
  @inline(__always) private func numbers(
    _ index: Int, _ columns: UnsafeBufferPointer<Int32>, _ cursors: UnsafeMutableBufferPointer<Int>,
    _ row: UnsafeMutablePointer<Int64>
  ) -> Numbers {
    let source = values.memory
    let zero = zeroCounts.memory[index]
    var total = zero
    for position in 0..<columns.count {
      let column = Int(columns[position])
      let place = cursors[column]
      cursors[column] = place &+ 1
      row[position] = source[place]
      total = total &+ source[place]
    }
    let memory = UnsafeMutableRawPointer(row)
    let count = counts.memory[index]
    guard isInteger else {
      return Numbers(
        zeroCount: Double(bitPattern: UInt64(bitPattern: zero)),
        count: Double(bitPattern: UInt64(bitPattern: count)), sum: sums[index], values: memory)
    }
    DecimalScale.restore(memory, count: columns.count, exponent: 0)
    return Numbers(
      zeroCount: DecimalScale.float(zero), count: DecimalScale.float(total &+ count), sum: sums[index],
      values: memory)
  }
}
