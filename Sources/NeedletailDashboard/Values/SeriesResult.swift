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

  /// In the order of the answer.
  package var labels: [(name: String, value: String)]
  /// In ascending order of time.
  package var points: [Point]

  package init(labels: [(name: String, value: String)], points: [Point]) {
    self.labels = labels
    self.points = points
  }

  package func label(_ name: String) -> String? { labels.first { $0.name == name }?.value }

  /// `name{a="b"}` as PromQL writes it.
  package var name: String {
    let rest = labels.filter { $0.name != "__name__" }.map { "\($0.name)=\"\($0.value)\"" }
    let metric = label("__name__") ?? ""
    return rest.isEmpty && !metric.isEmpty ? metric : metric + "{" + rest.joined(separator: ", ") + "}"
  }

  package static func == (left: SeriesResult, right: SeriesResult) -> Bool {
    left.points == right.points && left.labels.elementsEqual(right.labels) { $0 == $1 }
  }
}
