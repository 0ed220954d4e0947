// The values of one bucket over all histograms that have it stand side by side, whatever else changes in the layouts: a
// series that grows a bucket, or ends and comes back, goes on in the columns that it had.

import NeedletailTelemetry

/// Which column the values of each bucket stand in, and where the columns begin when they lie one behind the other.
///
/// Columns are numbered by schema, side (the positive first) and the number of the bucket. Where the spans of a layout
/// meet a bucket twice, its values follow each other in the same column.
struct HistogramBuckets {
  /// For each layout, one behind the other, the columns of its buckets, the positive ones first.
  private let columns: [Int32]
  private let layoutEnds: [Int]
  /// Where each column begins, and last where all end.
  let starts: [Int]

  var columnCount: Int { starts.count - 1 }
  var valueCount: Int { starts[starts.count - 1] }

  init(_ layouts: HistogramLayouts) {
    var keys: [UInt64] = []
    var ends: [Int] = []
    for layout in layouts.all {
      let schema = UInt64(UInt8(bitPattern: layout.prototype.schema)) << 40
      Self.append(layout.prototype.positiveSpans, schema, to: &keys)
      Self.append(layout.prototype.negativeSpans, schema | 1 << 32, to: &keys)
      ends.append(keys.count)
    }
    let distinct = Self.distinct(keys)
    var columns: [Int32] = []
    columns.reserveCapacity(keys.count)
    var last = -1
    for key in keys {
      // Mostly the next one.
      last = last + 1 < distinct.count && distinct[last + 1] == key ? last + 1 : Self.index(of: key, in: distinct)
      columns.append(Int32(truncatingIfNeeded: last))
    }
    var counts = [Int](repeating: 0, count: distinct.count)
    var start = 0
    for (end, uses) in zip(ends, layouts.uses) {
      for column in columns[start..<end] { counts[Int(column)] += uses }
      start = end
    }
    var starts = [0]
    starts.reserveCapacity(counts.count + 1)
    for count in counts { starts.append(starts[starts.count - 1] + count) }
    self.columns = columns
    self.starts = starts
    layoutEnds = ends
  }

  /// Lends the columns of a layout's buckets.
  @inline(__always) func withColumns<Result>(
    of layout: Int, _ body: (UnsafeBufferPointer<Int32>) -> Result
  ) -> Result {
    columns.withUnsafeBufferPointer {
      body(UnsafeBufferPointer(rebasing: $0[(layout == 0 ? 0 : layoutEnds[layout - 1])..<layoutEnds[layout]]))
    }
  }

  /// Keys sort as the numbers of buckets do, which wrap.
  private static func append(_ spans: [NativeHistogram.BucketSpan], _ side: UInt64, to keys: inout [UInt64]) {
    var index: Int32 = 0
    for span in spans {
      index = index &+ span.offset
      for _ in 0..<span.length {
        keys.append(side | UInt64(UInt32(bitPattern: index) ^ 1 << 31))
        index = index &+ 1
      }
    }
  }

  private static func distinct(_ keys: [UInt64]) -> [UInt64] {
    let isAscending = zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 }
    if isAscending { return keys }
    var result: [UInt64] = []
    for key in keys.sorted() where result.last != key { result.append(key) }
    return result
  }

  private static func index(of key: UInt64, in keys: [UInt64]) -> Int {
    var (low, high) = (0, keys.count)
    while low < high {
      let middle = low + (high - low) / 2
      if keys[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
