// One line for each function and aggregation of PromQL, as a list of completions shows it.

extension AggregationOperation {
  /// What one of PromQL's does, in one line; nil for the others.
  var promQLSummary: String? {
    switch self {
    case .sum: "the sum of each group"
    case .avg: "the mean of each group"
    case .count: "how many series each group has"
    case .min: "the least value of each group"
    case .max: "the greatest value of each group"
    case .group: "1 for each group"
    case .stddev: "the population standard deviation of each group"
    case .stdvar: "the population variance of each group"
    case .topk: "the k series of the greatest values of each group"
    case .bottomk: "the k series of the least values of each group"
    case .quantile: "the quantile of each group, 0 to 1"
    case .countValues: "how many series have each value"
    case .limitk: "k series of each group"
    case .limitRatio: "about this share of the series of each group"
    default: nil
    }
  }
}

extension Function {
  /// What one of PromQL's does, in one line; nil for the others.
  var promQLSummary: String? { rangeText ?? numberText ?? histogramText ?? labelText }

  private var rangeText: String? {
    switch self {
    case .absentOverTime: "1 where the range has no sample"
    case .avgOverTime: "the mean of the range"
    case .bytesOverTime: "the bytes of the log lines of the range"
    case .bytesRate: "the bytes of log lines a second"
    case .changes: "how often the value changed"
    case .countOverTime: "how many samples the range has"
    case .delta: "by how much a gauge changed over the range"
    case .deriv: "the slope per second of a gauge, by linear regression"
    case .doubleExponentialSmoothing: "the value smoothed by level and trend"
    case .firstOverTime: "the first value of the range"
    case .idelta: "the difference of the last two samples"
    case .increase: "by how much a counter grew over the range"
    case .irate: "a counter's growth per second between its last two samples"
    case .lastOverTime: "the last value of the range"
    case .madOverTime: "the median absolute deviation of the range"
    case .maxOverTime: "the greatest value of the range"
    case .minOverTime: "the least value of the range"
    case .predictLinear: "a gauge's value so many seconds from now, by linear regression"
    case .presentOverTime: "1 where the range has a sample"
    case .quantileOverTime: "the quantile of the range, 0 to 1"
    case .rate: "a counter's growth per second over the range"
    case .resets: "how often a counter began anew"
    case .stddevOverTime: "the population standard deviation of the range"
    case .stdvarOverTime: "the population variance of the range"
    case .sumOverTime: "the sum of the range"
    case .timestampOfFirstOverTime: "when the first sample of the range was"
    case .timestampOfLastOverTime: "when the last sample of the range was"
    case .timestampOfMaxOverTime: "when the greatest value of the range was last"
    case .startTimestamp: "when the sample's count began, in seconds since 1970"
    case .timestampOfMinOverTime: "when the least value of the range was last"
    default: nil
    }
  }

  private var numberText: String? {
    switch self {
    case .abs: "the magnitude"
    case .ceil: "rounded up"
    case .floor: "rounded down"
    case .round: "rounded to the nearest multiple of a number, 1 by itself"
    case .clamp: "kept between two numbers"
    case .clampMax: "at most a number"
    case .clampMin: "at least a number"
    case .sgn: "-1, 0 or 1, as the sign is"
    case .exp: "e to the power of the value"
    case .ln: "the natural logarithm"
    case .log2: "the binary logarithm"
    case .log10: "the decimal logarithm"
    case .sqrt: "the square root"
    case .acos, .acosh, .asin, .asinh, .atan, .atanh, .cos, .cosh, .sin, .sinh, .tan, .tanh: "of angles in radians"
    case .deg: "radians as degrees"
    case .rad: "degrees as radians"
    case .pi: "3.14159..."
    case .maxOf: "the greater of two numbers"
    case .minOf: "the lesser of two numbers"
    case .minute, .hour, .dayOfWeek, .dayOfMonth, .dayOfYear, .daysInMonth, .month, .year:
      "of a Unix time in UTC, now by itself"
    default: timeText
    }
  }

  private var timeText: String? {
    switch self {
    case .time: "the Unix time of the step, in seconds"
    case .timestamp: "the Unix time of each sample, in seconds"
    case .queryStart: "the Unix time of the query's first step"
    case .queryEnd: "the Unix time of the query's last step"
    case .queryRange: "the seconds from the query's first step to its last"
    case .queryStep: "the seconds between two steps of the query"
    case .scalar: "the value of a vector of one series as a number"
    case .vector: "a number as a vector of one series"
    default: nil
    }
  }

  private var histogramText: String? {
    switch self {
    case .histogramAvg: "the mean of what a histogram counted"
    case .histogramCount: "how many a histogram counted"
    case .histogramFraction: "which share of what a histogram counted lies between two numbers"
    case .histogramQuantile: "the quantile of what a histogram counted, 0 to 1"
    case .histogramQuantiles: "several quantiles of what a histogram counted, told apart by a label"
    case .histogramStddev: "the estimated standard deviation of what a histogram counted"
    case .histogramStdvar: "the estimated variance of what a histogram counted"
    case .histogramSum: "the sum of what a histogram counted"
    default: nil
    }
  }

  private var labelText: String? {
    switch self {
    case .absent: "1 where nothing is selected"
    case .info: "with the labels of info series that match"
    case .labelJoin: "a label joined of the values of others"
    case .labelReplace: "a label set from another one that matches a regular expression"
    case .sort: "sorted by value, ascending"
    case .sortDesc: "sorted by value, descending"
    case .sortByLabel: "sorted by the values of labels, ascending"
    case .sortByLabelDesc: "sorted by the values of labels, descending"
    default: nil
    }
  }
}
