import NeedletailOTLP
import NeedletailTelemetry

/// A series as remote read tells it: numbers and histograms each in the order of their times, no time in both.
package struct RemoteReadSeries: Sendable {
  package var labels: LabelSet
  /// In ms since 1970.
  package var times: [Int64] = []
  /// Values bit for bit, stale markers included.
  package var values: [Double] = []
  package var histogramTimes: [Int64] = []
  package var histograms: [NativeHistogram] = []

  /// A series without samples.
  package init(labels: LabelSet) { self.labels = labels }
}

/// Writes what remote read answers.
package enum RemoteReadAnswer {
  /// About how many bytes of chunks a frame has at most.
  package static let frameBytesMax = 1 << 20

  // MARK: Samples

  /// Appends a series to a QueryResult.
  package static func append(_ series: RemoteReadSeries, to result: inout ProtobufWriter) {
    result.field(1) { message in
      append(series.labels, to: &message)
      for index in series.times.indices {
        message.field(2) { sample in
          sample.field(1, double: series.values[index])
          sample.field(2, int64: series.times[index])
        }
      }
      for (time, histogram) in zip(series.histogramTimes, series.histograms) {
        message.field(4) { append(histogram, at: time, to: &$0) }
      }
    }
  }

  private static func append(_ labels: LabelSet, to message: inout ProtobufWriter) {
    labels.forEach { name, value in
      message.field(1) { label in
        label.field(1, bytes: Array(name))
        label.field(2, bytes: Array(value))
      }
    }
  }

  /// Counts are floats, whatever they were: that is how they are kept.
  private static func append(_ histogram: NativeHistogram, at time: Int64, to message: inout ProtobufWriter) {
    message.field(2, double: histogram.count)
    message.field(3, double: histogram.sum)
    message.field(4, zigzag: Int64(histogram.schema))
    message.field(5, double: histogram.zeroThreshold)
    message.field(7, double: histogram.zeroCount)
    append(histogram.negativeSpans, field: 8, to: &message)
    if !histogram.negativeBuckets.isEmpty { message.field(10, packedDouble: histogram.negativeBuckets) }
    append(histogram.positiveSpans, field: 11, to: &message)
    if !histogram.positiveBuckets.isEmpty { message.field(13, packedDouble: histogram.positiveBuckets) }
    message.field(14, varint: UInt64(histogram.resetHint.rawValue))
    message.field(15, int64: time)
    if !histogram.customBounds.isEmpty { message.field(16, packedDouble: histogram.customBounds) }
  }

  private static func append(
    _ spans: [NativeHistogram.BucketSpan], field: UInt32, to message: inout ProtobufWriter
  ) {
    for span in spans {
      message.field(field) { encoded in
        encoded.field(1, zigzag: Int64(span.offset))
        encoded.field(2, varint: UInt64(span.length))
      }
    }
  }

  // MARK: Chunks

  /// The chunks of a series, in the order of time, none overlapping another.
  package static func chunks(_ series: RemoteReadSeries) -> [SampleChunk] {
    var chunks: [SampleChunk] = []
    var floats = FloatChunkWriter()
    var histograms = HistogramChunkWriter()
    var (float, histogram) = (0, 0)
    while float < series.times.count || histogram < series.histograms.count {
      let takesFloat =
        histogram == series.histograms.count
        || float < series.times.count && series.times[float] < series.histogramTimes[histogram]
      if takesFloat {
        if let chunk = histograms.take() { chunks.append(chunk) }
        floats.append(series.times[float], series.values[float])
        float += 1
        if floats.count == SampleChunk.samplesMax, let chunk = floats.take() { chunks.append(chunk) }
      } else {
        if let chunk = floats.take() { chunks.append(chunk) }
        let next = series.histograms[histogram]
        if !histograms.takes(next), let chunk = histograms.take() { chunks.append(chunk) }
        histograms.append(series.histogramTimes[histogram], next)
        histogram += 1
      }
    }
    if let chunk = floats.take() { chunks.append(chunk) }
    if let chunk = histograms.take() { chunks.append(chunk) }
    return chunks
  }

  /// Appends the frames of a series, which has some samples: each the length of a ChunkedReadResponse, its checksum, and
  /// itself.
  package static func appendFrames(_ series: RemoteReadSeries, queryIndex: Int, to bytes: inout [UInt8]) {
    var rest = chunks(series)[...]
    while !rest.isEmpty {
      var (size, count) = (0, 0)
      while count < rest.count, count == 0 || size + rest[rest.startIndex + count].bytes.count <= frameBytesMax {
        size += rest[rest.startIndex + count].bytes.count
        count += 1
      }
      appendFrame(series.labels, rest.prefix(count), queryIndex: queryIndex, to: &bytes)
      rest = rest.dropFirst(count)
    }
  }

  private static func appendFrame(
    _ labels: LabelSet, _ chunks: ArraySlice<SampleChunk>, queryIndex: Int, to bytes: inout [UInt8]
  ) {
    var message = ProtobufWriter()
    message.field(1) { series in
      append(labels, to: &series)
      for chunk in chunks {
        series.field(2) { encoded in
          encoded.field(1, int64: chunk.first)
          encoded.field(2, int64: chunk.last)
          encoded.field(3, varint: UInt64(chunk.encoding.rawValue))
          encoded.field(4, bytes: chunk.bytes)
        }
      }
    }
    if queryIndex > 0 { message.field(2, varint: UInt64(queryIndex)) }
    var length = ProtobufWriter()
    length.varint(UInt64(message.count))
    bytes += length.bytes
    withUnsafeBytes(of: CRC32C.of(message.bytes[...]).bigEndian) { bytes.append(contentsOf: $0) }
    bytes += message.bytes
  }
}
