// The functions and what they take. The parser checks calls against this table, so that the engine may rely on it.

/// A function of the query language.
package enum Function: String, Sendable, Hashable, CaseIterable {
  case abs, absent, acos, acosh, asin, asinh, atan, atanh, ceil, changes, clamp, cos, cosh, deg, delta, deriv, exp
  case floor, hour, idelta, increase, info, irate, ln, log10, log2, minute, month, pi, rad, rate, resets, round, scalar,
    sgn
  case sin, sinh, sort, sqrt, tan, tanh, time, timestamp, vector, year
  case maxOf = "max_of"
  case minOf = "min_of"
  case queryEnd = "end"
  case queryRange = "range"
  case queryStart = "start"
  case queryStep = "step"
  case absentOverTime = "absent_over_time"
  case avgOverTime = "avg_over_time"
  case bytesOverTime = "bytes_over_time"
  case bytesRate = "bytes_rate"
  case clampMax = "clamp_max"
  case clampMin = "clamp_min"
  case countOverTime = "count_over_time"
  case dayOfMonth = "day_of_month"
  case dayOfWeek = "day_of_week"
  case dayOfYear = "day_of_year"
  case daysInMonth = "days_in_month"
  case doubleExponentialSmoothing = "double_exponential_smoothing"
  case firstOverTime = "first_over_time"
  case histogramAvg = "histogram_avg"
  case histogramCount = "histogram_count"
  case histogramFraction = "histogram_fraction"
  case histogramQuantile = "histogram_quantile"
  case histogramQuantiles = "histogram_quantiles"
  case histogramStddev = "histogram_stddev"
  case histogramStdvar = "histogram_stdvar"
  case histogramSum = "histogram_sum"
  case labelJoin = "label_join"
  case labelReplace = "label_replace"
  case lastOverTime = "last_over_time"
  case madOverTime = "mad_over_time"
  case maxOverTime = "max_over_time"
  case minOverTime = "min_over_time"
  case predictLinear = "predict_linear"
  case presentOverTime = "present_over_time"
  case quantileOverTime = "quantile_over_time"
  case sortByLabel = "sort_by_label"
  case sortByLabelDesc = "sort_by_label_desc"
  case sortDesc = "sort_desc"
  case startTimestamp = "start_timestamp"
  case stddevOverTime = "stddev_over_time"
  case stdvarOverTime = "stdvar_over_time"
  case sumOverTime = "sum_over_time"
  case timestampOfFirstOverTime = "ts_of_first_over_time"
  case timestampOfLastOverTime = "ts_of_last_over_time"
  case timestampOfMaxOverTime = "ts_of_max_over_time"
  case timestampOfMinOverTime = "ts_of_min_over_time"

  /// The types of the arguments, how many of the last may be left out, and whether the last may repeat.
  package struct Signature: Sendable, Hashable {
    /// The types in order.
    package var parameters: [ValueType]
    /// How many at the end are optional.
    package var optional = 0
    /// Whether the last parameter takes any number of arguments.
    package var isVariadic = false
  }

  /// What it takes.
  package var signature: Signature {
    switch self {
    case .pi, .time, .queryEnd, .queryRange, .queryStart, .queryStep: Signature(parameters: [])
    case .maxOf, .minOf: Signature(parameters: [.scalar, .scalar])
    case .hour, .minute, .month, .year, .dayOfMonth, .dayOfWeek, .dayOfYear, .daysInMonth:
      Signature(parameters: [.vector], optional: 1)
    case .round: Signature(parameters: [.vector, .scalar], optional: 1)
    case .clamp: Signature(parameters: [.vector, .scalar, .scalar])
    case .clampMax, .clampMin: Signature(parameters: [.vector, .scalar])
    case .vector: Signature(parameters: [.scalar])
    case .info: Signature(parameters: [.vector, .vector], optional: 1)
    case .histogramQuantile: Signature(parameters: [.scalar, .vector])
    case .histogramQuantiles: Signature(parameters: [.vector, .string, .scalar], isVariadic: true)
    case .histogramFraction: Signature(parameters: [.scalar, .scalar, .vector])
    case .labelReplace: Signature(parameters: [.vector, .string, .string, .string, .string])
    case .labelJoin: Signature(parameters: [.vector, .string, .string, .string], optional: 1, isVariadic: true)
    case .sortByLabel, .sortByLabelDesc: Signature(parameters: [.vector, .string], optional: 1, isVariadic: true)
    case .quantileOverTime: Signature(parameters: [.scalar, .range])
    case .predictLinear: Signature(parameters: [.range, .scalar])
    case .doubleExponentialSmoothing: Signature(parameters: [.range, .scalar, .scalar])
    default: Signature(parameters: [isOverRange ? .range : .vector])
    }
  }

  /// Whether it works on the samples of a range.
  package var isOverRange: Bool {
    switch self {
    case .changes, .delta, .deriv, .idelta, .increase, .irate, .rate, .resets, .bytesRate, .predictLinear,
      .doubleExponentialSmoothing:
      true
    default: rawValue.hasSuffix("_over_time")
    }
  }

  /// What it yields.
  package var result: ValueType {
    switch self {
    case .pi, .scalar, .time, .maxOf, .minOf, .queryEnd, .queryRange, .queryStart, .queryStep: .scalar
    default: .vector
    }
  }

  /// Whether it works on the bytes of log lines, and on nothing else.
  package var isOverBytes: Bool { self == .bytesOverTime || self == .bytesRate }
}
