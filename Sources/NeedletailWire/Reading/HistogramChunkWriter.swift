import NeedletailTelemetry

/// Makes a chunk of native histograms, all of them with one layout of buckets and without a counter reset among them: who
/// reads one takes that for granted.
///
/// Counts are floats, whatever they were: that is how they are kept, and how Prometheus' queries take them.
struct HistogramChunkWriter {
  private var writer = BitWriter([0, 0, 0])
  private(set) var count = 0
  private var first: Int64 = 0
  private var time: Int64 = 0
  private var distance: Int64 = 0
  /// The histogram that was added last.
  private var known: NativeHistogram?
  private var values: [XORValue] = []

  /// Whether a histogram may stand behind those that are there.
  func takes(_ histogram: NativeHistogram) -> Bool {
    guard let known else { return true }
    guard count < SampleChunk.samplesMax, known.hasLayout(of: histogram), known.isStale == histogram.isStale else {
      return false
    }
    if (known.resetHint == .gauge) != (histogram.resetHint == .gauge) { return false }
    if histogram.resetHint == .gauge || histogram.isStale { return true }
    return histogram.resetHint != .reset && !histogram.isReset(after: known)
  }

  /// Adds a histogram that `takes` accepts, the times ascending.
  mutating func append(_ time: Int64, _ histogram: NativeHistogram) {
    let numbers =
      [histogram.count, histogram.zeroCount, histogram.sum] + histogram.positiveBuckets
      + histogram.negativeBuckets
    if count == 0 {
      first = time
      writeLayout(of: histogram)
      writer.writeVarbit(time)
      for number in numbers { writer.write(number.bitPattern, bits: 64) }
      values = numbers.map { XORValue($0) }
    } else {
      let next = time &- self.time
      writer.writeVarbit(next &- distance)
      distance = next
      for index in numbers.indices { values[index].write(numbers[index], to: &writer) }
    }
    self.time = time
    known = histogram
    count += 1
  }

  private mutating func writeLayout(of histogram: NativeHistogram) {
    // What the first one says holds for the chunk: nothing is said where it is to be found out.
    let hint: UInt8 =
      switch histogram.resetHint {
      case .gauge: 0b1100_0000
      case .reset: 0b1000_0000
      case .notReset, .unknown: 0
      }
    writer.replace(hint, at: 2)
    writeThreshold(histogram.zeroThreshold)
    writer.writeVarbit(Int64(histogram.schema))
    for spans in [histogram.positiveSpans, histogram.negativeSpans] {
      writer.writeVarbit(unsigned: UInt64(spans.count))
      for span in spans {
        writer.writeVarbit(unsigned: UInt64(span.length))
        writer.writeVarbit(Int64(span.offset))
      }
    }
    guard histogram.schema == NativeHistogram.customBucketsSchema else { return }
    writer.writeVarbit(unsigned: UInt64(histogram.customBounds.count))
    for bound in histogram.customBounds { write(bound: bound) }
  }

  /// A power of two is its exponent, the others stand in full.
  private mutating func writeThreshold(_ threshold: Double) {
    guard threshold != 0 else { return writer.write(0, bits: 8) }
    let isPower = threshold.isNormal && threshold > 0 && threshold.significandBitPattern == 0
    // Prometheus counts from a half, where the standard library counts from one.
    let exponent = isPower ? Int(threshold.exponent) + 1 : Int.max
    guard (-242...11).contains(exponent) else {
      writer.write(255, bits: 8)
      return writer.write(threshold.bitPattern, bits: 64)
    }
    writer.write(UInt64(exponent + 243), bits: 8)
  }

  /// Whole thousandths up to some size are numbers, the others stand in full.
  private mutating func write(bound: Double) {
    let thousandths = (bound * 1000).rounded()
    guard bound * 1000 >= 0, bound * 1000 <= 33_554_430, thousandths / 1000 == bound else {
      writer.write(bit: false)
      return writer.write(bound.bitPattern, bits: 64)
    }
    writer.writeVarbit(unsigned: UInt64(thousandths) + 1)
  }

  /// The chunk; nil of no histograms.
  mutating func take() -> SampleChunk? {
    guard count > 0 else { return nil }
    writer.replace(UInt8(truncatingIfNeeded: count >> 8), at: 0)
    writer.replace(UInt8(truncatingIfNeeded: count), at: 1)
    let chunk = SampleChunk(encoding: .floatHistogram, first: first, last: time, bytes: writer.bytes)
    self = HistogramChunkWriter()
    return chunk
  }
}

extension NativeHistogram {
  /// Whether both have the same buckets.
  fileprivate func hasLayout(of other: NativeHistogram) -> Bool {
    schema == other.schema && zeroThreshold == other.zeroThreshold && positiveSpans == other.positiveSpans
      && negativeSpans == other.negativeSpans && customBounds == other.customBounds
  }

  /// Whether a count has fallen since one of the same layout.
  fileprivate func isReset(after other: NativeHistogram) -> Bool {
    count < other.count || zeroCount < other.zeroCount
      || zip(positiveBuckets, other.positiveBuckets).contains { $0 < $1 }
      || zip(negativeBuckets, other.negativeBuckets).contains { $0 < $1 }
  }
}
