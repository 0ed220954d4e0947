/// The aggregations.
package enum AggregationOperation: String, Sendable, Hashable, CaseIterable {
  case sum, avg, count, min, max, group, stddev, stdvar, topk, bottomk, quantile
  case countValues = "count_values"
  case limitk
  case limitRatio = "limit_ratio"
  // MetricsQL's.
  case any, distinct, geomean, mad, median, mode, outliersk, quantiles, share, sum2, zscore
  case outliersIQR = "outliers_iqr"
  case outliersMAD = "outliers_mad"
  case topkAvg = "topk_avg"
  case topkLast = "topk_last"
  case topkMax = "topk_max"
  case topkMedian = "topk_median"
  case topkMin = "topk_min"
  case bottomkAvg = "bottomk_avg"
  case bottomkLast = "bottomk_last"
  case bottomkMax = "bottomk_max"
  case bottomkMedian = "bottomk_median"
  case bottomkMin = "bottomk_min"

  /// What parameter it takes, nil for none.
  package var parameter: ValueType? {
    switch self {
    case .topk, .bottomk, .quantile, .limitk, .limitRatio, .outliersk, .outliersMAD: .scalar
    case .countValues, .quantiles: .string
    default: isRankedOverRange ? .scalar : nil
    }
  }

  /// Whether it is one of MetricsQL's, which PromQL does not have.
  package var isMetricsQL: Bool { summary != nil }

  /// Whether it picks series by one number for all steps of the query: `topk_avg` and its kin.
  package var isRankedOverRange: Bool {
    switch self {
    case .topkAvg, .topkLast, .topkMax, .topkMedian, .topkMin: true
    case .bottomkAvg, .bottomkLast, .bottomkMax, .bottomkMedian, .bottomkMin: true
    default: false
    }
  }

  /// Whether its series are those that it is given, with all of their labels.
  package var keepsLabels: Bool {
    switch self {
    case .any, .outliersk, .outliersIQR, .outliersMAD, .share, .zscore: true
    default: isRankedOverRange
    }
  }

  /// Whether what it yields at a step hangs on the other steps of the query.
  package var looksAtAllSteps: Bool {
    switch self {
    case .any, .outliersk, .outliersIQR, .outliersMAD: true
    default: isRankedOverRange
    }
  }

  /// What it does, in one line; nil for those of PromQL.
  package var summary: String? {
    switch self {
    case .any: "one series of each group, with all of its labels"
    case .distinct: "the number of different values"
    case .geomean: "the geometric mean"
    case .mad: "the median absolute deviation"
    case .median: "the median"
    case .mode: "the most frequent value"
    case .outliersk: "the k series that lie farthest from the median of their group over the query's steps"
    case .outliersIQR: "the series that leave 1.5 times the interquartile range of their group at any step"
    case .outliersMAD: "the series that leave so many median absolute deviations of their group at any step"
    case .quantiles: "several quantiles, told apart by a label"
    case .share: "each series' share of the sum of its group"
    case .sum2: "the sum of squares"
    case .zscore: "how many standard deviations each series lies from the mean of its group"
    case .topkAvg: "the k series of the greatest mean over the query's steps"
    case .topkLast: "the k series of the greatest last value"
    case .topkMax: "the k series of the greatest maximum over the query's steps"
    case .topkMedian: "the k series of the greatest median over the query's steps"
    case .topkMin: "the k series of the greatest minimum over the query's steps"
    case .bottomkAvg: "the k series of the least mean over the query's steps"
    case .bottomkLast: "the k series of the least last value"
    case .bottomkMax: "the k series of the least maximum over the query's steps"
    case .bottomkMedian: "the k series of the least median over the query's steps"
    case .bottomkMin: "the k series of the least minimum over the query's steps"
    default: nil
    }
  }
}
