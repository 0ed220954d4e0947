// Aggregations of series: what whoever holds the series can do by itself.

extension ExpressionGenerator {
  /// An aggregation of an instant selector or of a function over ranges of series, often by itself and at times within something
  /// else.
  package mutating func reduction() -> String {
    let inner = chance(35) ? vector(0) : rangeCall(0)
    let text = aggregation(of: inner).text
    switch int(0...9) {
    case 0: return "max(\(text))"
    case 1: return "topk(2, \(text))"
    case 2: return "(\(text)) or vector(1)"
    case 3: return histogramQuantile().text
    default: return text
    }
  }
}
