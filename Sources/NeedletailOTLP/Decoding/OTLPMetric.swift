// Metrics and their points, in place (metrics.proto).

/// What a metric's points are.
package enum OTLPMetricKind: UInt8, Sendable {
  case none = 0
  case gauge = 5
  case sum = 7
  case histogram = 9
  case exponentialHistogram = 10
  case summary = 11
}

/// How the points of a metric relate to each other in time.
package enum OTLPTemporality: UInt64, Sendable {
  case unspecified = 0
  case delta = 1
  case cumulative = 2
}

/// A metric: its name, unit, and where its points lie.
package struct OTLPMetric {
  package private(set) var name = noBytes
  package private(set) var description = noBytes
  package private(set) var unit = noBytes
  package private(set) var kind = OTLPMetricKind.none
  package private(set) var temporality = OTLPTemporality.unspecified
  package private(set) var isMonotonic = false
  private var data = noBytes

  /// Reads the metric down to its points.
  ///
  /// Of several kinds of data the last counts.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2: name = try reader.readBytes()
      case 2 << 3 | 2: description = try reader.readBytes()
      case 3 << 3 | 2: unit = try reader.readBytes()
      case 5 << 3 | 2, 7 << 3 | 2, 9 << 3 | 2, 10 << 3 | 2, 11 << 3 | 2:
        data = try reader.readBytes()
        kind = OTLPMetricKind(rawValue: UInt8(truncatingIfNeeded: tag >> 3)) ?? .none
      default: try reader.skip(tag)
      }
    }
    var inner = ProtobufReader(data)
    while let tag = try inner.nextTag() {
      switch tag {
      case 2 << 3: temporality = OTLPTemporality(rawValue: try inner.readVarint()) ?? .unspecified
      case 3 << 3: isMonotonic = try inner.readVarint() != 0
      default: try inner.skip(tag)
      }
    }
  }

  package var points: ProtobufFieldCursor { ProtobufFieldCursor(data, field: 1) }
}

/// What all points have: times, flags, attributes, exemplars.
package struct OTLPPoint {
  /// Nanoseconds since 1970; 0 where unknown.
  package fileprivate(set) var start: UInt64 = 0
  /// Nanoseconds since 1970.
  package fileprivate(set) var time: UInt64 = 0
  /// Bit 0: no recorded value.
  package fileprivate(set) var flags: UInt64 = 0
  /// The attribute fields as they lie, tags included, where they lie together; their order is the sender's.
  package private(set) var attributeRegion = noBytes
  /// Whether attributes lie in more than one place: then the region is not all of them.
  package private(set) var isScattered = false
  package fileprivate(set) var hasExemplars = false
  private let attributeField: UInt64
  private let exemplarField: UInt64
  fileprivate let bytes: UnsafeRawBufferPointer

  fileprivate init(_ bytes: UnsafeRawBufferPointer, attributeField: UInt64, exemplarField: UInt64) {
    self.bytes = bytes
    self.attributeField = attributeField
    self.exemplarField = exemplarField
  }

  package var hasNoRecordedValue: Bool { flags & 1 != 0 }
  package var attributes: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: attributeField) }
  package var exemplars: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: exemplarField) }

  /// Notes an attribute that began at `start`, of which the reader is now behind.
  fileprivate mutating func noteAttribute(from start: UnsafeRawPointer, to end: UnsafeRawPointer) {
    guard let first = attributeRegion.baseAddress else {
      attributeRegion = UnsafeRawBufferPointer(start: start, count: end - start)
      return
    }
    if first + attributeRegion.count == start {
      attributeRegion = UnsafeRawBufferPointer(start: first, count: end - first)
    } else {
      isScattered = true
    }
  }
}

/// A point of a gauge or a sum (NumberDataPoint).
package struct OTLPNumberPoint {
  package private(set) var common: OTLPPoint
  package private(set) var value: Double = 0

  /// Reads the point.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    common = OTLPPoint(bytes, attributeField: 7, exemplarField: 5)
    var reader = ProtobufReader(bytes)
    var start = reader.address
    while let tag = try reader.nextTag() {
      switch tag {
      case 2 << 3 | 1: common.start = try reader.readFixed64()
      case 3 << 3 | 1: common.time = try reader.readFixed64()
      case 4 << 3 | 1: value = Double(bitPattern: try reader.readFixed64())
      case 6 << 3 | 1: value = Double(Int64(bitPattern: try reader.readFixed64()))
      case 7 << 3 | 2:
        _ = try reader.readBytes()
        common.noteAttribute(from: start, to: reader.address)
      case 8 << 3: common.flags = try reader.readVarint()
      case 5 << 3 | 2:
        _ = try reader.readBytes()
        common.hasExemplars = true
      default: try reader.skip(tag)
      }
      start = reader.address
    }
  }
}

/// A point of a histogram with explicit bounds (HistogramDataPoint).
package struct OTLPHistogramPoint {
  package private(set) var common: OTLPPoint
  package private(set) var count: UInt64 = 0
  package private(set) var sum: Double?

  /// Reads the point's plain fields.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    common = OTLPPoint(bytes, attributeField: 9, exemplarField: 8)
    var reader = ProtobufReader(bytes)
    var start = reader.address
    while let tag = try reader.nextTag() {
      switch tag {
      case 2 << 3 | 1: common.start = try reader.readFixed64()
      case 3 << 3 | 1: common.time = try reader.readFixed64()
      case 4 << 3 | 1: count = try reader.readFixed64()
      case 5 << 3 | 1: sum = Double(bitPattern: try reader.readFixed64())
      case 8 << 3 | 2:
        _ = try reader.readBytes()
        common.hasExemplars = true
      case 9 << 3 | 2:
        _ = try reader.readBytes()
        common.noteAttribute(from: start, to: reader.address)
      case 10 << 3: common.flags = try reader.readVarint()
      default: try reader.skip(tag)
      }
      start = reader.address
    }
  }

  /// The count of each bucket (not cumulative); the last is the one above the last bound.
  package var bucketCounts: ProtobufWordCursor { ProtobufWordCursor(common.bytes, field: 6) }
  /// The bits of the upper bounds.
  package var bounds: ProtobufWordCursor { ProtobufWordCursor(common.bytes, field: 7) }
}

/// A point of an exponential histogram (ExponentialHistogramDataPoint).
package struct OTLPExponentialPoint {
  /// A run of buckets: bucket i covers (base^(offset+i), base^(offset+i+1)].
  package struct Buckets {
    package private(set) var offset: Int64 = 0
    fileprivate var bytes = noBytes

    fileprivate init() {}

    fileprivate init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
      self.bytes = bytes
      var reader = ProtobufReader(bytes)
      while let tag = try reader.nextTag() {
        if tag == 1 << 3 { offset = try reader.readZigzag() } else { try reader.skip(tag) }
      }
    }

    package var counts: ProtobufVarintCursor { ProtobufVarintCursor(bytes, field: 2) }
  }

  package private(set) var common: OTLPPoint
  package private(set) var count: UInt64 = 0
  package private(set) var sum: Double?
  package private(set) var scale: Int64 = 0
  package private(set) var zeroCount: UInt64 = 0
  package private(set) var zeroThreshold: Double = 0
  package private(set) var positive = Buckets()
  package private(set) var negative = Buckets()

  /// Reads the point.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    common = OTLPPoint(bytes, attributeField: 1, exemplarField: 11)
    var reader = ProtobufReader(bytes)
    var start = reader.address
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2:
        _ = try reader.readBytes()
        common.noteAttribute(from: start, to: reader.address)
      case 2 << 3 | 1: common.start = try reader.readFixed64()
      case 3 << 3 | 1: common.time = try reader.readFixed64()
      case 4 << 3 | 1: count = try reader.readFixed64()
      case 5 << 3 | 1: sum = Double(bitPattern: try reader.readFixed64())
      case 6 << 3: scale = try reader.readZigzag()
      case 7 << 3 | 1: zeroCount = try reader.readFixed64()
      case 8 << 3 | 2: positive = try Buckets(try reader.readBytes())
      case 9 << 3 | 2: negative = try Buckets(try reader.readBytes())
      case 10 << 3: common.flags = try reader.readVarint()
      case 11 << 3 | 2:
        _ = try reader.readBytes()
        common.hasExemplars = true
      case 14 << 3 | 1: zeroThreshold = Double(bitPattern: try reader.readFixed64())
      default: try reader.skip(tag)
      }
      start = reader.address
    }
  }
}

/// A point of a summary (SummaryDataPoint).
package struct OTLPSummaryPoint {
  package private(set) var common: OTLPPoint
  package private(set) var count: UInt64 = 0
  package private(set) var sum: Double = 0

  /// Reads the point's plain fields.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    // Summaries have no exemplars: field 0 does not exist.
    common = OTLPPoint(bytes, attributeField: 7, exemplarField: 0)
    var reader = ProtobufReader(bytes)
    var start = reader.address
    while let tag = try reader.nextTag() {
      switch tag {
      case 2 << 3 | 1: common.start = try reader.readFixed64()
      case 3 << 3 | 1: common.time = try reader.readFixed64()
      case 4 << 3 | 1: count = try reader.readFixed64()
      case 5 << 3 | 1: sum = Double(bitPattern: try reader.readFixed64())
      case 7 << 3 | 2:
        _ = try reader.readBytes()
        common.noteAttribute(from: start, to: reader.address)
      case 8 << 3: common.flags = try reader.readVarint()
      default: try reader.skip(tag)
      }
      start = reader.address
    }
  }

  /// The quantiles, as `OTLPQuantile` reads them.
  package var quantiles: ProtobufFieldCursor { ProtobufFieldCursor(common.bytes, field: 6) }
}

/// A quantile of a summary and its value.
package struct OTLPQuantile {
  package private(set) var quantile: Double = 0
  package private(set) var value: Double = 0

  /// Reads both.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 1: quantile = Double(bitPattern: try reader.readFixed64())
      case 2 << 3 | 1: value = Double(bitPattern: try reader.readFixed64())
      default: try reader.skip(tag)
      }
    }
  }
}

/// A measurement that stands for many (Exemplar).
package struct OTLPExemplar {
  /// Nanoseconds since 1970.
  package private(set) var time: UInt64 = 0
  package private(set) var value: Double = 0
  package private(set) var spanID = noBytes
  package private(set) var traceID = noBytes
  private let bytes: UnsafeRawBufferPointer

  /// Reads the exemplar's plain fields.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    self.bytes = bytes
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 2 << 3 | 1: time = try reader.readFixed64()
      case 3 << 3 | 1: value = Double(bitPattern: try reader.readFixed64())
      case 4 << 3 | 2: spanID = try reader.readBytes()
      case 5 << 3 | 2: traceID = try reader.readBytes()
      case 6 << 3 | 1: value = Double(Int64(bitPattern: try reader.readFixed64()))
      default: try reader.skip(tag)
      }
    }
  }

  package var filteredAttributes: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 7) }
}
