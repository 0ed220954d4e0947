/// An expression that Prometheus 2.42 answers otherwise than Prometheus does today, and the answer of today.
struct ListedDifference: Sendable {
  let expression: String
  let evaluation: DifferentialQuestions.Evaluation
  /// What has changed since 2.42.
  let reason: String
  /// Worked out by hand from the series that `DifferentialData` has for this.
  let answer: QueryAnswer

  /// Of an expression that yields numbers when it is asked at one time.
  private init(_ expression: String, _ reason: String, yields numbers: [String: Double]) {
    let now = Double(DifferentialQuestions.instant) + 0.5
    self.init(
      expression, reason, answer: .series(type: "vector", numbers.map { ($0.key, [(now, .number($0.value))]) }))
  }

  private init(
    _ expression: String, _ reason: String, answer: QueryAnswer,
    evaluation: DifferentialQuestions.Evaluation = .instant(DifferentialQuestions.instant)
  ) {
    self.expression = expression
    self.evaluation = evaluation
    self.reason = reason
    self.answer = answer
  }

  static var all: [ListedDifference] { edges + extrapolation + histograms + language + values }

  // `edge` is 9 at the query's time, 8 a minute before, and so on.
  private static let edges: [ListedDifference] = [
    ListedDifference("count_over_time(edge[1m])", "ranges are open on the left since 3.0", yields: ["{}": 1]),
    ListedDifference("sum_over_time(edge[2m])", "ranges are open on the left since 3.0", yields: ["{}": 17]),
    ListedDifference(
      "edge_of_lookback", "so is the lookback: the one sample is exactly five minutes old", yields: [:]),
    ListedDifference(
      "count_over_time(vector(1)[2m:20s] offset 500ms)", "so are the ranges of subqueries, and a step is at the start",
      yields: ["{}": 6]),
    ListedDifference(
      "predict_linear(edge[3m] @ 1700002550.5, 60)", "2.42 moves the window with the steps, whatever @ says",
      answer: .series(type: "matrix", [("{}", predictions)]), evaluation: DifferentialQuestions.range),
  ]

  private static var ones: [(time: Double, value: QueryAnswer.Value)] { predictions.map { ($0.time, .number(1)) } }

  /// A minute after each step: `edge` grows by one a minute, and is zero nine minutes before the query's time.
  private static var predictions: [(time: Double, value: QueryAnswer.Value)] {
    DifferentialQuestions.range.times.map { time in
      let seconds = time + 60 - 0.5 - Double(DifferentialQuestions.instant)
      return (time, .number(seconds / 60 + 9))
    }
  }

  // `young_total` was 20, 50, 80 and 110 in the last 90 s: the increase of 90 is extended by half of the distance of samples, 15 s.
  // 2.42 goes 20 s back, to where the counter would have been zero.
  private static let extrapolation: [ListedDifference] = [
    ListedDifference(
      "increase(young_total[5m])", "a counter is extended to where it was zero, but no further than others",
      yields: ["{}": 105]),
    ListedDifference("rate(young_total[5m])", "likewise: 105 over five minutes", yields: ["{}": 0.35]),
  ]

  // `known_histogram` has eight observations in (1, 2].
  private static let histograms: [ListedDifference] = [
    ListedDifference(
      "histogram_quantile(0.5, known_histogram)",
      "quantiles of native histograms are interpolated exponentially since 3.0",
      yields: ["{}": 1.4142135623730951]),
    ListedDifference(
      "histogram_fraction(0, 1.4142135623730951, known_histogram)", "and so are fractions", yields: ["{}": 0.5]),
    ListedDifference(
      "last_over_time(known_histogram[5m])", "2.42 makes numbers of histograms here",
      answer: histogram("known_histogram")),
    ListedDifference(
      "known_histogram == known_histogram", "and here", answer: histogram("known_histogram")),
    ListedDifference(
      "label_replace(known_histogram, \"__name__\", \"new\", \"\", \"\")", "and here", answer: histogram("new")),
  ]

  /// The histogram under a name: count, sum, and the one bucket.
  private static func histogram(_ name: String) -> QueryAnswer {
    let value = QueryAnswer.Value.histogram([8, 12, 0, 1, 2, 8])
    return .series(
      type: "vector", [("{__name__=\"\(name)\"}", [(Double(DifferentialQuestions.instant) + 0.5, value)])])
  }

  private static let language: [ListedDifference] = [
    ListedDifference(
      "label_replace(vector(1), \"größe\", \"x\", \"\", \"\")", "labels may have any name since 3.0",
      yields: ["{größe=\"x\"}": 1]),
    ListedDifference("count_values(\"a b\", edge)", "labels may have any name since 3.0", yields: ["{a b=\"9\"}": 1]),
    ListedDifference("count_values(\"1\", edge)", "labels may have any name since 3.0", yields: ["{1=\"9\"}": 1]),
    ListedDifference(
      "sum by (\"__name__\") (edge)", "names may be quoted since 3.0", yields: ["{__name__=\"edge\"}": 9]),
    ListedDifference("{\"edge\"}", "names may be quoted since 3.0", yields: ["{__name__=\"edge\"}": 9]),
    ListedDifference(
      "last_over_time(edge[60])", "durations may be numbers since 3.0", yields: ["{__name__=\"edge\"}": 9]),
    ListedDifference("edge offset 60", "durations may be numbers since 3.0", yields: ["{__name__=\"edge\"}": 8]),
    ListedDifference("vector(5m)", "numbers may be durations since 3.0", yields: ["{}": 300]),
    ListedDifference("edge > 8s", "numbers may be durations since 3.0", yields: ["{__name__=\"edge\"}": 9]),
    ListedDifference(
      "edge offset +1m", "offsets may have a sign of either kind today", yields: ["{__name__=\"edge\"}": 8]),
    ListedDifference("edge offset 0s", "offsets may be zero today", yields: ["{__name__=\"edge\"}": 9]),
    ListedDifference(
      "edge offset (30s + 30s)", "durations may be worked out today", yields: ["{__name__=\"edge\"}": 8]),
    ListedDifference("sum_over_time(edge[2 * 1m])", "durations may be worked out today", yields: ["{}": 17]),
    ListedDifference(
      "vector(end())", "there are functions of the query's times today", yields: ["{}": 1_700_002_580.5]),
    ListedDifference(
      "edge @ 28333376m", "we take times as durations too, as MetricsQL", yields: ["{__name__=\"edge\"}": 8]),
    ListedDifference("sum by (inf) (edge)", "we take the words for numbers as labels", yields: ["{}": 9]),
    ListedDifference(
      "\"\\xff\"", "we have no strings that are not UTF-8", answer: .failure(kind: "bad_data", message: "")),
    ListedDifference(
      "sum_over_time(1[5m250ms:1m])",
      "Prometheus has no subqueries over scalars, MetricsQL has: five whole minutes lie in the range", yields: ["{}": 5]
    ),
  ]

  private static let values: [ListedDifference] = [
    ListedDifference(
      "temperature > on (job, instance) memory_bytes", "matches must be unique also where the comparison drops them",
      answer: .failure(kind: "execution", message: "")),
    ListedDifference(
      "1 / sum(-(edge * 0))", "a sum begins with zero, and is a positive zero where all are negative ones",
      yields: ["{}": .infinity]),
    ListedDifference("edge atan2 2", "2.42 leaves the name on what atan2 yields", yields: ["{}": 1.3521273809209546]),
    ListedDifference(
      "count_values by (instance, job, zone) (\"value\", target_info{job=\"api\"})",
      "2.42 loses a label of groups of three from the second step on, where it sorts behind the value's",
      answer: .series(
        type: "matrix",
        (0..<3).map { ("{instance=\"i-\($0)\", job=\"api\", value=\"1\", zone=\"z\($0)\"}", ones) }),
      evaluation: DifferentialQuestions.range
    ),
    ListedDifference(
      "timestamp(edge @ 1700002580.5 offset 6m)",
      "Prometheus ignores the offset beside @ in timestamp(), and only there",
      yields: ["{}": 1_700_002_220.5]),
    ListedDifference(
      "stdvar(vector(NaN))", "2.42 takes the variance of one value for zero, whatever it is", yields: ["{}": .nan]),
    ListedDifference(
      "stddev(vector(Inf))", "2.42 takes the variance of one value for zero, whatever it is", yields: ["{}": .nan]),
    ListedDifference(
      "year(vector(NaN))", "Prometheus shows what Go makes of NaN as a whole number", yields: ["{}": .nan]),
  ]
}
