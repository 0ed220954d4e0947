// Metric and its data of opentelemetry/proto/metrics/v1/metrics.proto, cumulative temporality.

/// What a `Metric` holds.
package enum MetricKind: Sendable {
  /// The last value of something that goes up and down.
  case gauge
  /// A cumulative sum; monotonic when it only grows.
  case sum(isMonotonic: Bool)
  /// A cumulative histogram with explicit bounds.
  case histogram
}

/// The value of a number data point.
package enum NumberValue: Sendable {
  /// An integer.
  case integer(Int64)
  /// A floating-point number.
  case double(Double)
}

/// One explicit-bounds histogram, as it stands.
package struct HistogramValue: Sendable {
  /// The upper bounds, inclusive and ascending, without the infinite one.
  package var bounds: [Double]
  /// The count of each bucket: one more than there are bounds.
  package var bucketCounts: [UInt64]
  /// The number of recorded values.
  package var count: UInt64
  /// Their sum.
  package var sum: Double
  /// The least of them; nil when there are none.
  package var minimum: Double?
  /// The greatest of them; nil when there are none.
  package var maximum: Double?

  /// All fields.
  package init(
    bounds: [Double], bucketCounts: [UInt64], count: UInt64, sum: Double, minimum: Double?, maximum: Double?
  ) {
    self.bounds = bounds
    self.bucketCounts = bucketCounts
    self.count = count
    self.sum = sum
    self.minimum = minimum
    self.maximum = maximum
  }
}

extension ProtobufWriter {
  /// Writes the fields of a `Metric`; `points` writes its data points with ``numberPoint(_:attributes:start:time:)``
  /// or ``histogramPoint(_:attributes:start:time:)``, as the kind asks.
  package mutating func metric(
    name: String, unit: String, description: String, kind: MetricKind, points: (inout ProtobufWriter) -> Void
  ) {
    field(1, string: name)
    if !description.isEmpty { field(2, string: description) }
    if !unit.isEmpty { field(3, string: unit) }
    switch kind {
    case .gauge:
      field(5, message: points)
    case .sum(let isMonotonic):
      field(7) { sum in
        points(&sum)
        sum.field(2, varint: Self.cumulative)
        if isMonotonic { sum.field(3, bool: true) }
      }
    case .histogram:
      field(9) { histogram in
        points(&histogram)
        histogram.field(2, varint: Self.cumulative)
      }
    }
  }

  /// Writes one `NumberDataPoint`.
  ///
  /// - Parameters:
  ///   - attributes: the point's attributes (`KeyValue` messages, without tags).
  ///   - start: when the sum began, in nanoseconds since the Unix epoch; 0 for a gauge.
  ///   - time: when the value was read, in nanoseconds since the Unix epoch.
  package mutating func numberPoint(
    _ value: NumberValue, attributes: [[UInt8]], start: UInt64, time: UInt64
  ) {
    field(1) { point in
      if start != 0 { point.field(2, fixed64: start) }
      point.field(3, fixed64: time)
      switch value {
      case .integer(let integer): point.field(6, fixed64: UInt64(bitPattern: integer))
      case .double(let double): point.field(4, double: double)
      }
      for attribute in attributes { point.field(7, bytes: attribute) }
    }
  }

  /// Writes one `HistogramDataPoint`.
  ///
  /// Parameters as of ``numberPoint(_:attributes:start:time:)``.
  package mutating func histogramPoint(
    _ value: HistogramValue, attributes: [[UInt8]], start: UInt64, time: UInt64
  ) {
    field(1) { point in
      point.field(2, fixed64: start)
      point.field(3, fixed64: time)
      point.field(4, fixed64: value.count)
      point.field(5, double: value.sum)
      point.field(6, packedFixed64: value.bucketCounts)
      point.field(7, packedDouble: value.bounds)
      for attribute in attributes { point.field(9, bytes: attribute) }
      if let minimum = value.minimum { point.field(11, double: minimum) }
      if let maximum = value.maximum { point.field(12, double: maximum) }
    }
  }

  /// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
  private static var cumulative: UInt64 { 2 }
}
