/// Native histograms of one series in flat memory, in the byte form that batches have (docs/formats/batch.md), one
/// behind the other: what a column is made of.
///
/// It borrows the memory: use it only while the buffers that it was made from are alive.
package struct HistogramRows {
  /// In ms, a time for each.
  package let times: UnsafeBufferPointer<Int64>
  /// The bytes of all.
  package let bytes: UnsafeRawBufferPointer
  /// Where each one's bytes end, ascending; it begins where the one before ends.
  package let ends: UnsafeBufferPointer<Int>

  /// As many times as ends, of which the last is the number of bytes.
  package init(times: UnsafeBufferPointer<Int64>, bytes: UnsafeRawBufferPointer, ends: UnsafeBufferPointer<Int>) {
    precondition(times.count == ends.count && ends.last ?? 0 == bytes.count, "rows have other numbers of times")
    self.times = times
    self.bytes = bytes
    self.ends = ends
  }

  package var count: Int { times.count }

  /// The bytes of one.
  @inline(__always) subscript(_ index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]])
  }
}
