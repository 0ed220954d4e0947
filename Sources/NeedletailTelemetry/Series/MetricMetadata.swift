/// What is known of a metric beside its samples.
package struct MetricMetadata: Hashable, Sendable {
  package enum Kind: UInt8, Sendable {
    case unknown = 0
    case counter = 1
    case gauge = 2
    case summary = 3
    case histogram = 4
    case gaugeHistogram = 5
    case info = 6
    case stateset = 7
  }

  package var kind: Kind
  package var unit: String
  package var help: String

  package init(kind: Kind, unit: String = "", help: String = "") {
    self.kind = kind
    self.unit = unit
    self.help = help
  }

  /// The same bytes: texts that only look alike are told apart, as digests do.
  package static func == (left: Self, right: Self) -> Bool {
    left.kind == right.kind && left.unit.utf8.elementsEqual(right.unit.utf8)
      && left.help.utf8.elementsEqual(right.help.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(kind)
    for byte in unit.utf8 { hasher.combine(byte) }
    for byte in help.utf8 { hasher.combine(byte) }
  }
}

/// A measurement that stands for many, with the trace in which it was made.
package struct Exemplar: Hashable, Sendable {
  package var timestampMilliseconds: Int64
  package var value: Double
  package var labels: LabelSet

  package init(timestampMilliseconds: Int64, value: Double, labels: LabelSet) {
    self.timestampMilliseconds = timestampMilliseconds
    self.value = value
    self.labels = labels
  }
}
