import NeedletailTelemetry

/// Writes the numbers of a column's histograms.
enum HistogramNumbers {
  /// Appends the sums of all: a column of floats.
  static func encodeSums(_ rows: HistogramRows, to output: inout [UInt8]) {
    encode(rows, at: HistogramLayout.sumOffset, to: &output)
  }

  private static func encode(_ rows: HistogramRows, at offset: Int, to output: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: rows.count) { numbers in
      for index in 0..<rows.count { numbers[index] = number(rows[index], at: offset) }
      DoubleColumn.encode(UnsafeBufferPointer(numbers), to: &output)
    }
  }

  @inline(__always) private static func number(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Double {
    Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
  }

  // MARK: - Buckets

  /// Calls `body` with the bytes of each histogram and its layout, until it returns false.
  @inline(__always) private static func forEach(
    _ rows: HistogramRows, _ layouts: HistogramLayouts,
    _ body: (UnsafeRawBufferPointer, Int, HistogramLayout) -> Bool
  ) {
    var index = 0
    for stretch in layouts.stretches {
      let layout = layouts.all[stretch.layout]
      for _ in 0..<stretch.count {
        guard body(rows[index], stretch.layout, layout) else { return }
        index += 1
      }
    }
  }

  /// Appends what a form of integers has behind the sums; false, and nothing appended, where a count is no integer within
  /// 2^51.
  ///
  /// Columns of integers: counts of the zero bucket; what counts are beyond those of all buckets, which is mostly nothing;
  /// the first value of each bucket; and the steps to all others, column by column.
  static func encodeIntegers(
    _ rows: HistogramRows, _ layouts: HistogramLayouts, _ buckets: HistogramBuckets, to output: inout [UInt8]
  ) -> Bool {
    let (count, valueCount) = (rows.count, buckets.valueCount)
    return withUnsafeTemporaryAllocation(of: Int64.self, capacity: 2 * count + valueCount) { memory in
      guard let zeroCounts = memory.baseAddress else { return false }
      let rests = zeroCounts + count
      let values = rests + count
      var index = 0
      var wrong: UInt64 = 0
      collect(rows, layouts, buckets, into: values) { bytes, total in
        let zero = DecimalScale.integer(number(bytes, at: HistogramLayout.zeroCountOffset), wrong: &wrong)
        let count = DecimalScale.integer(number(bytes, at: HistogramLayout.countOffset), wrong: &wrong)
        zeroCounts[index] = zero
        rests[index] = count &- total &- zero
        index &+= 1
        return wrong == 0
      } convert: { value in
        DecimalScale.integer(value, wrong: &wrong)
      }
      guard wrong == 0 else { return false }
      IntegerColumn.encode(UnsafeBufferPointer(start: zeroCounts, count: count), to: &output)
      IntegerColumn.encode(UnsafeBufferPointer(start: rests, count: count), to: &output)
      encodeSteps(values, buckets, to: &output)
      return true
    }
  }

  /// Appends what a form of floats has behind the sums.
  ///
  /// Columns of floats: counts of the zero bucket; counts; and the distinct values of all buckets. Columns of integers:
  /// which of these each bucket's first value is, and the steps to those of all others. O(values * log(values)).
  static func encodeFloats(
    _ rows: HistogramRows, _ layouts: HistogramLayouts, _ buckets: HistogramBuckets, to output: inout [UInt8]
  ) {
    encode(rows, at: HistogramLayout.zeroCountOffset, to: &output)
    encode(rows, at: HistogramLayout.countOffset, to: &output)
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: max(1, buckets.valueCount)) { memory in
      guard let values = memory.baseAddress else { return }
      collect(rows, layouts, buckets, into: values) { _, _ in
        true
      } convert: {
        Int64(bitPattern: $0.bitPattern)
      }
      let distinct = rank(UnsafeMutableBufferPointer(start: values, count: buckets.valueCount))
      distinct.withUnsafeBufferPointer { DoubleColumn.encode($0, to: &output) }
      encodeSteps(values, buckets, to: &output)
    }
  }

  /// Replaces bits of floats by their places among the distinct ones, which it returns: in the order of the bits but for
  /// the sign, so that where values are near each other their places are too.
  private static func rank(_ values: UnsafeMutableBufferPointer<Int64>) -> [Double] {
    var sorted: [(key: UInt64, place: Int)] = []
    sorted.reserveCapacity(values.count)
    for (place, bits) in values.enumerated() {
      let bits = UInt64(bitPattern: bits)
      sorted.append((bits &<< 1 | bits &>> 63, place))
    }
    sorted.sort { $0.key < $1.key }
    var distinct: [Double] = []
    var last: UInt64?
    for (key, place) in sorted {
      if key != last { distinct.append(Double(bitPattern: key &>> 1 | key &<< 63)) }
      last = key
      values[place] = Int64(distinct.count &- 1)
    }
    return distinct
  }

  /// Puts what `convert` makes of the values of all buckets into `values`, column by column; `finish` is given the bytes of
  /// each histogram and what the values of its buckets add up to, and returns whether to go on.
  @inline(__always) private static func collect(
    _ rows: HistogramRows, _ layouts: HistogramLayouts, _ buckets: HistogramBuckets,
    into values: UnsafeMutablePointer<Int64>, finish: (UnsafeRawBufferPointer, Int64) -> Bool,
    convert: (Double) -> Int64
  ) {
    var cursors = buckets.starts
    cursors.withUnsafeMutableBufferPointer { cursors in
      forEach(rows, layouts) { bytes, number, layout in
        var total: Int64 = 0
        buckets.withColumns(of: number) { columns in
          @inline(__always) func take(_ positions: Range<Int>, from offset: Int) {
            var offset = offset
            for position in positions {
              let value = convert(Self.number(bytes, at: offset))
              offset &+= 8
              let column = Int(columns[position])
              values[cursors[column]] = value
              cursors[column] &+= 1
              total = total &+ value
            }
          }
          take(0..<layout.positiveCount, from: layout.positiveOffset)
          take(layout.positiveCount..<layout.bucketCount, from: layout.negativeOffset)
        }
        return finish(bytes, total)
      }
    }
  }

  /// Appends the first value of each column, then the steps to the others, which take the place of the values.
  private static func encodeSteps(
    _ values: UnsafeMutablePointer<Int64>, _ buckets: HistogramBuckets, to output: inout [UInt8]
  ) {
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: max(1, buckets.columnCount)) { firsts in
      var step = 0
      for column in 0..<buckets.columnCount {
        let start = buckets.starts[column]
        var before = values[start]
        firsts[column] = before
        for index in (start + 1)..<buckets.starts[column + 1] {
          let value = values[index]
          values[step] = value &- before
          step &+= 1
          before = value
        }
      }
      IntegerColumn.encode(
        UnsafeBufferPointer(start: firsts.baseAddress, count: buckets.columnCount), to: &output)
      IntegerColumn.encode(UnsafeBufferPointer(start: values, count: step), to: &output)
    }
  }
}
