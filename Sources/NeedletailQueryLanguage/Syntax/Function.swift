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
  // MetricsQL's over ranges.
  case ideriv, integrate, lag, lifetime, rollup
  case aggrOverTime = "aggr_over_time"
  case ascentOverTime = "ascent_over_time"
  case countEqualOverTime = "count_eq_over_time"
  case countGreaterOverTime = "count_gt_over_time"
  case countLessOrEqualOverTime = "count_le_over_time"
  case countNotEqualOverTime = "count_ne_over_time"
  case decreasesOverTime = "decreases_over_time"
  case derivFast = "deriv_fast"
  case descentOverTime = "descent_over_time"
  case distinctOverTime = "distinct_over_time"
  case durationOverTime = "duration_over_time"
  case geomeanOverTime = "geomean_over_time"
  case hoeffdingBoundLower = "hoeffding_bound_lower"
  case hoeffdingBoundUpper = "hoeffding_bound_upper"
  case increasePure = "increase_pure"
  case increasesOverTime = "increases_over_time"
  case iqrOverTime = "iqr_over_time"
  case medianOverTime = "median_over_time"
  case modeOverTime = "mode_over_time"
  case outlierIQROverTime = "outlier_iqr_over_time"
  case quantilesOverTime = "quantiles_over_time"
  case rangeOverTime = "range_over_time"
  case rateOverSum = "rate_over_sum"
  case rollupCandlestick = "rollup_candlestick"
  case rollupDelta = "rollup_delta"
  case rollupDeriv = "rollup_deriv"
  case rollupIncrease = "rollup_increase"
  case rollupRate = "rollup_rate"
  case rollupScrapeInterval = "rollup_scrape_interval"
  case scrapeInterval = "scrape_interval"
  case shareEqualOverTime = "share_eq_over_time"
  case shareGreaterOverTime = "share_gt_over_time"
  case shareLessOrEqualOverTime = "share_le_over_time"
  case sumEqualOverTime = "sum_eq_over_time"
  case sumGreaterOverTime = "sum_gt_over_time"
  case sumLessOrEqualOverTime = "sum_le_over_time"
  case sum2OverTime = "sum2_over_time"
  case timeOfFirstOverTime = "tfirst_over_time"
  case timeOfLastOverTime = "tlast_over_time"
  case timeOfLastChangeOverTime = "tlast_change_over_time"
  case timeOfMaxOverTime = "tmax_over_time"
  case timeOfMinOverTime = "tmin_over_time"
  case zscoreOverTime = "zscore_over_time"
  // MetricsQL's over vectors, and its numbers by chance.
  case alias, interpolate, rand, ru, ttf, union
  case bitmapAnd = "bitmap_and"
  case bitmapOr = "bitmap_or"
  case bitmapXor = "bitmap_xor"
  case dropCommonLabels = "drop_common_labels"
  case keepLastValue = "keep_last_value"
  case keepNextValue = "keep_next_value"
  case labelCopy = "label_copy"
  case labelDel = "label_del"
  case labelGraphiteGroup = "label_graphite_group"
  case labelKeep = "label_keep"
  case labelLowercase = "label_lowercase"
  case labelMap = "label_map"
  case labelMatch = "label_match"
  case labelMismatch = "label_mismatch"
  case labelMove = "label_move"
  case labelSet = "label_set"
  case labelTransform = "label_transform"
  case labelUppercase = "label_uppercase"
  case labelValue = "label_value"
  case labelsEqual = "labels_equal"
  case limitOffset = "limit_offset"
  case randExponential = "rand_exponential"
  case randNormal = "rand_normal"
  case rangeAvg = "range_avg"
  case rangeFirst = "range_first"
  case rangeLast = "range_last"
  case rangeLinearRegression = "range_linear_regression"
  case rangeMad = "range_mad"
  case rangeMax = "range_max"
  case rangeMedian = "range_median"
  case rangeMin = "range_min"
  case rangeNormalize = "range_normalize"
  case rangeQuantile = "range_quantile"
  case rangeStddev = "range_stddev"
  case rangeStdvar = "range_stdvar"
  case rangeSum = "range_sum"
  case rangeTrimOutliers = "range_trim_outliers"
  case rangeTrimSpikes = "range_trim_spikes"
  case rangeTrimZscore = "range_trim_zscore"
  case rangeZscore = "range_zscore"
  case removeResets = "remove_resets"
  case runningAvg = "running_avg"
  case runningMax = "running_max"
  case runningMin = "running_min"
  case runningSum = "running_sum"
  case smoothExponential = "smooth_exponential"
  case sortByLabelNumeric = "sort_by_label_numeric"
  case sortByLabelNumericDesc = "sort_by_label_numeric_desc"

  /// The types of the arguments, how many of the last may be left out, and whether the last may repeat.
  package struct Signature: Sendable, Hashable {
    /// The types in order.
    package var parameters: [ValueType]
    /// How many at the end are optional.
    package var optional = 0
    /// Whether the last parameter takes any number of arguments.
    package var isVariadic = false
    /// The parameters that may come again and again, together, where they are not the last one alone.
    package var repeated: Range<Int>?

    /// Whether there may be more arguments than parameters.
    var takesMore: Bool { isVariadic || repeated != nil }

    /// The type of an argument among so many.
    func type(at index: Int, of count: Int) -> ValueType {
      guard let repeated, index >= repeated.upperBound else { return parameters[min(index, parameters.count - 1)] }
      let more = max(0, count - parameters.count)
      guard index < repeated.upperBound + more else { return parameters[min(index - more, parameters.count - 1)] }
      return parameters[repeated.lowerBound + (index - repeated.upperBound) % repeated.count]
    }
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
    default: metricsQLSignature ?? Signature(parameters: [isOverRange ? .range : .vector])
    }
  }

  /// Whether it works on the samples of a range.
  package var isOverRange: Bool {
    switch self {
    case .changes, .delta, .deriv, .idelta, .increase, .irate, .rate, .resets, .bytesRate, .predictLinear,
      .doubleExponentialSmoothing:
      true
    default: metricsQLSignature?.parameters.contains(.range) ?? rawValue.hasSuffix("_over_time")
    }
  }

  /// What it yields.
  package var result: ValueType {
    switch self {
    case .pi, .scalar, .time, .maxOf, .minOf, .queryEnd, .queryRange, .queryStart, .queryStep: .scalar
    case .rand, .randExponential, .randNormal: .scalar
    default: .vector
    }
  }

  /// Whether it works on the bytes of log lines, and on nothing else.
  package var isOverBytes: Bool { self == .bytesOverTime || self == .bytesRate }
}
