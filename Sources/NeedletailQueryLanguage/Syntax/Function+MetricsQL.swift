// What MetricsQL has beyond PromQL: every function behind a name of its own, so that no query of PromQL changes its meaning.

extension Function {
  /// Whether it is one of MetricsQL's, which PromQL does not have.
  package var isMetricsQL: Bool { metricsQLSignature != nil }

  /// What those of MetricsQL take; nil for all others.
  ///
  /// A number that stands where they want series is one without labels.
  var metricsQLSignature: Signature? {
    if let signature = rangeSignature { return signature }
    switch self {
    case .rangeAvg, .rangeFirst, .rangeLast, .rangeLinearRegression, .rangeMad, .rangeMax, .rangeMedian, .rangeMin,
      .rangeNormalize, .rangeStddev, .rangeStdvar, .rangeSum, .rangeZscore, .runningAvg, .runningMax, .runningMin,
      .runningSum, .interpolate, .keepLastValue, .keepNextValue, .removeResets, .dropCommonLabels, .ttf:
      return Signature(parameters: [.vector])
    case .rangeQuantile, .rangeTrimOutliers, .rangeTrimSpikes, .rangeTrimZscore:
      return Signature(parameters: [.scalar, .vector])
    case .smoothExponential, .bitmapAnd, .bitmapOr, .bitmapXor: return Signature(parameters: [.vector, .scalar])
    case .ru: return Signature(parameters: [.vector, .vector])
    case .union: return Signature(parameters: [.vector], isVariadic: true)
    case .limitOffset: return Signature(parameters: [.scalar, .scalar, .vector])
    case .rand, .randExponential, .randNormal: return Signature(parameters: [.scalar])
    case .alias, .labelValue: return Signature(parameters: [.vector, .string])
    case .labelMatch, .labelMismatch: return Signature(parameters: [.vector, .string, .string])
    case .labelTransform: return Signature(parameters: [.vector, .string, .string, .string])
    case .labelDel, .labelKeep, .labelLowercase, .labelUppercase, .sortByLabelNumeric, .sortByLabelNumericDesc:
      return Signature(parameters: [.vector, .string], isVariadic: true)
    case .labelsEqual: return Signature(parameters: [.vector, .string, .string], isVariadic: true)
    case .labelSet, .labelCopy, .labelMove:
      return Signature(parameters: [.vector, .string, .string], repeated: 1..<3)
    case .labelMap: return Signature(parameters: [.vector, .string, .string, .string], repeated: 2..<4)
    case .labelGraphiteGroup: return Signature(parameters: [.vector, .scalar], isVariadic: true)
    default: return nil
    }
  }

  private var rangeSignature: Signature? {
    switch self {
    case .ascentOverTime, .decreasesOverTime, .derivFast, .descentOverTime, .distinctOverTime, .geomeanOverTime,
      .ideriv, .increasePure, .increasesOverTime, .integrate, .iqrOverTime, .lag, .lifetime, .medianOverTime,
      .modeOverTime, .outlierIQROverTime, .rangeOverTime, .rateOverSum, .scrapeInterval, .sum2OverTime,
      .timeOfFirstOverTime, .timeOfLastOverTime, .timeOfLastChangeOverTime, .timeOfMaxOverTime, .timeOfMinOverTime,
      .zscoreOverTime:
      Signature(parameters: [.range])
    case .countEqualOverTime, .countGreaterOverTime, .countLessOrEqualOverTime, .countNotEqualOverTime,
      .durationOverTime, .shareEqualOverTime, .shareGreaterOverTime, .shareLessOrEqualOverTime, .sumEqualOverTime,
      .sumGreaterOverTime, .sumLessOrEqualOverTime:
      Signature(parameters: [.range, .scalar])
    case .hoeffdingBoundLower, .hoeffdingBoundUpper: Signature(parameters: [.scalar, .range])
    case .rollup, .rollupCandlestick, .rollupDelta, .rollupDeriv, .rollupIncrease, .rollupRate, .rollupScrapeInterval:
      Signature(parameters: [.range, .string], optional: 1)
    case .aggrOverTime: Signature(parameters: [.string, .range], repeated: 0..<1)
    case .quantilesOverTime: Signature(parameters: [.string, .scalar, .range], repeated: 1..<2)
    default: nil
    }
  }

  /// Whether it is about the differences between neighbours, the one from the last sample before the range to the first
  /// within it among them.
  package var looksBeforeRange: Bool {
    switch self {
    case .ascentOverTime, .decreasesOverTime, .derivFast, .descentOverTime, .ideriv, .increasePure, .increasesOverTime,
      .integrate, .lifetime, .rollupDelta, .rollupDeriv, .rollupIncrease, .rollupRate, .rollupScrapeInterval,
      .scrapeInterval, .timeOfLastChangeOverTime:
      true
    default: false
    }
  }

  /// Whether what it yields at a step hangs on the other steps of the query.
  package var looksAtAllSteps: Bool {
    switch self {
    case .rangeAvg, .rangeFirst, .rangeLast, .rangeLinearRegression, .rangeMad, .rangeMax, .rangeMedian, .rangeMin,
      .rangeNormalize, .rangeQuantile, .rangeStddev, .rangeStdvar, .rangeSum, .rangeTrimOutliers, .rangeTrimSpikes,
      .rangeTrimZscore, .rangeZscore, .runningAvg, .runningMax, .runningMin, .runningSum, .interpolate,
      .keepLastValue, .keepNextValue, .removeResets, .smoothExponential, .ttf, .dropCommonLabels, .limitOffset:
      true
    default: false
    }
  }

  /// Whether one of MetricsQL's leaves the metric's name alone: where its values are of the kind that the metric's are.
  package var keepsMetricName: Bool {
    switch self {
    case .geomeanOverTime, .hoeffdingBoundLower, .hoeffdingBoundUpper, .iqrOverTime, .medianOverTime, .modeOverTime,
      .quantilesOverTime, .rollup, .rollupCandlestick:
      true
    case .rangeAvg, .rangeFirst, .rangeLast, .rangeLinearRegression, .rangeMax, .rangeMedian, .rangeMin,
      .rangeNormalize, .rangeQuantile, .rangeSum, .rangeTrimOutliers, .rangeTrimSpikes, .rangeTrimZscore,
      .runningAvg, .runningMax, .runningMin, .interpolate, .keepLastValue, .keepNextValue, .removeResets,
      .smoothExponential:
      true
    default: false
    }
  }

  /// The values of the label `rollup` that its series have, of which its last argument may name one; empty where it is
  /// none of these functions.
  package var rollups: [String] {
    switch self {
    case .rollup, .rollupDelta, .rollupDeriv, .rollupIncrease, .rollupRate, .rollupScrapeInterval:
      ["min", "max", "avg"]
    case .rollupCandlestick: ["open", "close", "low", "high"]
    default: []
    }
  }

  /// Whether the text that it takes in this place is the name of a label.
  func takesLabel(at index: Int) -> Bool {
    switch self {
    case .quantilesOverTime: index == 0
    case .labelCopy, .labelDel, .labelKeep, .labelLowercase, .labelMove, .labelUppercase, .labelsEqual,
      .sortByLabelNumeric, .sortByLabelNumericDesc:
      true
    case .labelSet: index % 2 == 1
    case .labelMap, .labelMatch, .labelMismatch, .labelTransform, .labelValue: index == 1
    default: false
    }
  }

  /// Whether `aggr_over_time` takes it: it makes one number of a range, and needs nothing else for it.
  package var isPlainOverRange: Bool {
    isOverRange && !isOverBytes && self != .absentOverTime && signature.parameters == [.range]
  }
}
