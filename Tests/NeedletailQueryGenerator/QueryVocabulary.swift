/// The metrics and labels that generated expressions speak of.
package struct QueryVocabulary: Sendable {
  /// A metric.
  package struct Metric: Sendable {
    package var name: String
    package var traits: ExpressionTraits
    /// Its labels, each with values that occur and one that does not.
    package var labels: [(name: String, values: [String])]

    package init(_ name: String, _ traits: ExpressionTraits, labels: [(name: String, values: [String])]) {
      self.name = name
      self.traits = traits
      self.labels = labels
    }
  }

  /// Metrics of numbers.
  package var metrics: [Metric]
  /// Metrics of classic histograms' buckets.
  package var buckets: [Metric]
  /// Metrics of native histograms.
  package var histograms: [Metric]
  /// Metrics with one series for each `job` and `instance`, whose other labels are worth joining: with these labels.
  package var infos: [(name: String, labels: [String])]
  /// What may follow `@`, beside `start()` and `end()`.
  package var anchors: [String]

  package init(
    metrics: [Metric], buckets: [Metric], histograms: [Metric], infos: [(name: String, labels: [String])],
    anchors: [String]
  ) {
    self.metrics = metrics
    self.buckets = buckets
    self.histograms = histograms
    self.infos = infos
    self.anchors = anchors
  }
}

extension QueryVocabulary {
  /// A small shop's metrics.
  ///
  /// `Tests/EndToEndTests/Differential` fills them.
  package static func shop(anchors: [String]) -> QueryVocabulary {
    let job = (name: "job", values: ["api", "web", "none"])
    let instance = (name: "instance", values: ["i-0", "i-1", "i-2", "i-9"])
    let code = (name: "code", values: ["200", "500", "404"])
    let path = (name: "path", values: ["/", "/käse", "/日本", "/none"])
    let zone = (name: "zone", values: ["a", "b", "c"])
    let kind = (name: "kind", values: ["nan", "inf", "-inf", "mixed", "zero"])
    let any: ExpressionTraits = [.exact, .summable]
    let counter: ExpressionTraits = [.exact, .summable, .positive, .finite]
    return QueryVocabulary(
      metrics: [
        Metric("http_requests_total", counter, labels: [job, instance, code, path]),
        Metric("http_requests_total", counter, labels: [job, instance, code, path]),
        Metric(
          "cpu_seconds_total", [.exact, .positive, .finite],
          labels: [job, instance, (name: "cpu", values: ["0", "1", "2"])]),
        Metric("temperature", [.exact, .summable, .distinct, .finite], labels: [job, instance, zone]),
        Metric("memory_bytes", counter.union(.distinct), labels: [job, instance]),
        Metric("constant", any.union(.finite), labels: [job, instance]),
        Metric("odd", any, labels: [job, instance, kind]),
        Metric("up", counter, labels: [job, instance]),
        Metric("sparse", counter, labels: [job, instance]),
        Metric("intermittent", counter, labels: [job, instance]),
      ],
      buckets: [
        Metric("latency_seconds_bucket", .counts, labels: [job, instance, (name: "le", values: ["0.1", "1", "10"])])
      ],
      histograms: [Metric("native_latency", [], labels: [job, instance])],
      infos: [("build_info", ["version"]), ("target_info", ["region", "zone"])], anchors: anchors)
  }
}

/// What is known of an expression's values, which decides what may be done with them.
///
/// Two engines that add up in different orders, or raise to powers with different libraries, agree to a few units of the last
/// place. That is so little that it never shows, unless what is done next makes it large: the difference of two values that are
/// nearly equal, a comparison, a cut to whole numbers. Such operators are given exact operands only, so that a difference between
/// two engines is a difference in what they mean and not in how they round.
package struct ExpressionTraits: OptionSet, Sendable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The same to the last bit in every right engine.
  package static let exact = ExpressionTraits(rawValue: 1)
  /// Sums of any of them are exact, in any order: multiples of 1/64 below 2^40, and what is no number.
  package static let summable = ExpressionTraits(rawValue: 2)
  /// None is below zero, so that a sum loses nothing by cancellation.
  package static let positive = ExpressionTraits(rawValue: 4)
  /// No two series have the same value at the same time, so that there is one order of them.
  package static let distinct = ExpressionTraits(rawValue: 8)

  /// Neither NaN nor infinite.
  package static let finite = ExpressionTraits(rawValue: 16)

  /// Small whole numbers, or none.
  package static let counts: ExpressionTraits = [.exact, .summable, .positive]
}
