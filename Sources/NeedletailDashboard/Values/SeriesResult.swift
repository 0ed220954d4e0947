import NeedletailQueryLanguage

/// One series of an answer.
package struct SeriesResult: Equatable, Sendable {
  package struct Point: Equatable, Sendable {
    /// Unix seconds.
    package var time: Double
    package var value: Double

    package init(time: Double, value: Double) {
      self.time = time
      self.value = value
    }
  }

  /// What a series has at one time.
  package enum Value: Equatable, Sendable {
    case number(Double)
    case histogram(HistogramPoint)
  }

  /// In the order of the answer.
  package var labels: [(name: String, value: String)]
  /// In ascending order of time.
  package var points: [Point]
  /// In ascending order of time.
  package var histograms: [HistogramPoint]

  package init(labels: [(name: String, value: String)], points: [Point], histograms: [HistogramPoint] = []) {
    self.labels = labels
    self.points = points
    self.histograms = histograms
  }

  /// Numbers and histograms together, in ascending order of time; O(n log n) where there are both.
  package var samples: [(time: Double, value: Value)] {
    let numbers = points.map { (time: $0.time, value: Value.number($0.value)) }
    let others = histograms.map { (time: $0.time, value: Value.histogram($0)) }
    return numbers.isEmpty || others.isEmpty ? numbers + others : (numbers + others).sorted { $0.time < $1.time }
  }

  package func label(_ name: String) -> String? { labels.first { $0.name == name }?.value }

  /// `name{a="b"}` as PromQL writes it, so that it can be asked for: values are escaped, and a name that is no word stands
  /// quoted.
  package var name: String {
    var parts = labels.filter { $0.name != "__name__" }
      .map { PrometheusPrinter.label($0.name) + "=" + PrometheusPrinter.quoted($0.value) }
    var metric = label("__name__") ?? ""
    if !metric.isEmpty, !Printer.isWord(metric, colons: true) {
      parts.insert(PrometheusPrinter.quoted(metric), at: 0)
      metric = ""
    }
    return parts.isEmpty && !metric.isEmpty ? metric : metric + "{" + parts.joined(separator: ", ") + "}"
  }

  package static func == (left: SeriesResult, right: SeriesResult) -> Bool {
    left.points == right.points && left.histograms == right.histograms
      && left.labels.elementsEqual(right.labels) { $0 == $1 }
  }
}
