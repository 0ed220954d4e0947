import NeedletailBlocks
import NeedletailTelemetry

/// A native histogram at an instant: in its byte form where it is stored, compared or counted, as a value where it is asked
/// for, so that a query makes each value once and straight from a part's columns.
protocol HistogramAtTime: Sendable {
  /// In ms since 1970.
  var timestamp: Int64 { get }
  /// When its count began, in ms; 0 where nobody told.
  var start: Int64 { get set }
  /// Whether it is the marker that its series ended.
  var isStale: Bool { get }
  /// The byte form that `NativeHistogram` has.
  var byteForm: [UInt8] { get }

  /// Nil where the bytes are no histogram.
  init?(_ stored: StoredHistogram)

  /// Appends those of a part's column whose times are within the range.
  static func decode(
    _ column: UnsafeRawBufferPointer, from start: Int64, to end: Int64, into histograms: inout [Self]
  ) throws(MalformedBytes)

  /// Takes one of a part of a format without columns.
  init(timestamp: Int64, bytes: UnsafeRawBufferPointer) throws(MalformedBytes)
}

extension StoredHistogram: HistogramAtTime {
  var isStale: Bool { HistogramRule.decoded(bytes)?.isStale ?? true }
  var byteForm: [UInt8] { bytes }

  init?(_ stored: StoredHistogram) { self = stored }

  static func decode(
    _ column: UnsafeRawBufferPointer, from start: Int64, to end: Int64, into histograms: inout [Self]
  ) throws(MalformedBytes) {
    try HistogramColumn.decodeBytes(column, from: start, to: end) { time, bytes in
      histograms.append(Self(timestamp: time, bytes: Array(bytes)))
    }
  }

  init(timestamp: Int64, bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    // Checked here, where damage can still be told, so that later decoding cannot fail.
    var reader = ByteReader(bytes)
    _ = try NativeHistogram(decoding: &reader)
    self.init(timestamp: timestamp, bytes: Array(bytes))
  }
}

/// A native histogram at an instant, as a query wants it.
struct TimedHistogram: HistogramAtTime {
  var timestamp: Int64
  var histogram: NativeHistogram
  var start: Int64 = 0

  var isStale: Bool { histogram.isStale }

  var byteForm: [UInt8] {
    var writer = ByteWriter()
    histogram.encode(to: &writer)
    return writer.bytes
  }

  init(timestamp: Int64, histogram: NativeHistogram, start: Int64 = 0) {
    self.timestamp = timestamp
    self.histogram = histogram
    self.start = start
  }

  init?(_ stored: StoredHistogram) {
    guard let histogram = HistogramRule.decoded(stored.bytes) else { return nil }
    self.init(timestamp: stored.timestamp, histogram: histogram, start: stored.start)
  }

  static func decode(
    _ column: UnsafeRawBufferPointer, from start: Int64, to end: Int64, into histograms: inout [Self]
  ) throws(MalformedBytes) {
    try HistogramColumn.decode(column, from: start, to: end) { time, histogram in
      histograms.append(Self(timestamp: time, histogram: histogram))
    }
  }

  init(timestamp: Int64, bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(timestamp: timestamp, histogram: try NativeHistogram(decoding: &reader))
  }
}
