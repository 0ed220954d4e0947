/// The positive or negative buckets of a native histogram as sorted pairs of index and count, the form that arithmetic
/// wants: spans are a form for storing.
package struct HistogramSide: Sendable, Hashable {
  /// Numbers of the buckets, rising.
  package private(set) var indexes: [Int32] = []
  /// As many as indexes.
  package private(set) var counts: [Double] = []

  /// No buckets.
  package init() {}

  /// Spreads spans out.
  ///
  /// Buckets beyond the spans, or spans beyond the buckets, are dropped; equal indexes add up.
  package init(_ spans: [NativeHistogram.BucketSpan], _ buckets: [Double]) {
    indexes.reserveCapacity(buckets.count)
    counts.reserveCapacity(buckets.count)
    var index: Int32 = 0
    var bucket = 0
    for span in spans {
      index = index &+ span.offset
      var rest = span.length
      while rest > 0, bucket < buckets.count {
        append(index, buckets[bucket])
        index = index &+ 1
        bucket += 1
        rest -= 1
      }
    }
  }

  /// Appends a bucket; its index must not be below the last one's.
  package mutating func append(_ index: Int32, _ count: Double) {
    if indexes.last == index {
      counts[counts.count - 1] += count
    } else {
      indexes.append(index)
      counts.append(count)
    }
  }

  /// The same counts in buckets that are 2^`steps` times as wide.
  func coarsened(by steps: Int8) -> HistogramSide {
    guard steps > 0 else { return self }
    var result = HistogramSide()
    for position in indexes.indices {
      result.append(((indexes[position] &- 1) >> Int32(steps)) &+ 1, counts[position])
    }
    return result
  }

  /// The sum of both, the other's counts times `factor`.
  func adding(_ other: HistogramSide, factor: Double) -> HistogramSide {
    var result = HistogramSide()
    var (left, right) = (0, 0)
    while left < indexes.count || right < other.indexes.count {
      if right >= other.indexes.count || (left < indexes.count && indexes[left] < other.indexes[right]) {
        result.append(indexes[left], counts[left])
        left += 1
      } else if left >= indexes.count || other.indexes[right] < indexes[left] {
        result.append(other.indexes[right], other.counts[right] * factor)
        right += 1
      } else {
        result.append(indexes[left], counts[left] + other.counts[right] * factor)
        left += 1
        right += 1
      }
    }
    return result
  }

  /// Takes the buckets up to and including `index` away, and returns how much was in them.
  mutating func removeThrough(_ index: Int32) -> Double {
    let cut = indexes.firstIndex { $0 > index } ?? indexes.count
    let removed = counts[..<cut].reduce(0, +)
    indexes.removeFirst(cut)
    counts.removeFirst(cut)
    return removed
  }

  mutating func removeEmpty() {
    var kept = HistogramSide()
    for position in indexes.indices where counts[position] != 0 { kept.append(indexes[position], counts[position]) }
    self = kept
  }

  /// The count of a bucket, zero where there is none.
  ///
  /// O(log buckets).
  package func count(at index: Int32) -> Double {
    var (low, high) = (0, indexes.count)
    while low < high {
      let middle = (low + high) / 2
      if indexes[middle] < index { low = middle + 1 } else { high = middle }
    }
    return low < indexes.count && indexes[low] == index ? counts[low] : 0
  }

  /// The form for storing: one span per run without gaps.
  package var spans: [NativeHistogram.BucketSpan] {
    var result: [NativeHistogram.BucketSpan] = []
    var next: Int32 = 0
    for index in indexes {
      if !result.isEmpty, index == next {
        result[result.count - 1].length += 1
      } else {
        result.append(NativeHistogram.BucketSpan(offset: index &- next, length: 1))
      }
      next = index &+ 1
    }
    return result
  }
}
