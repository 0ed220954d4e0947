/// An expression that Prometheus 2.42 answers otherwise than Prometheus does today, and the answer of today.
struct ListedDifference {
  let expression: String
  let evaluation: DifferentialPair.Evaluation
  /// What has changed since 2.42.
  let reason: String
  /// Worked out by hand from the data.
  let answer: QueryAnswer

  static let all: [ListedDifference] = []
}
