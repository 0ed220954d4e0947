import NeedletailTelemetry

/// Series, and what they report round by round.
protocol Load {
  /// What a value is called.
  var noun: String { get }
  /// How many series a batch has; each with all rounds of a flush.
  var seriesPerBatch: Int { get }
  var seriesCount: Int { get }

  func labels(_ series: Int) -> LabelSet

  /// Appends what a series has next to the row of it that was begun; rounds are asked for in order.
  mutating func append(_ series: Int, _ round: Int, to batch: inout SeriesBatchBuilder)
}
