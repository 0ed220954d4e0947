import Foundation

extension Array where Element == Double {
  /// The middle value; that above the middle where their number is even. Nothing of nothing.
  package var median: Double? { isEmpty ? nil : sorted()[count / 2] }

  /// The geometric mean of positive values; nothing of nothing.
  package var geometricMean: Double? {
    let positive = filter { $0 > 0 }
    return positive.isEmpty ? nil : exp(positive.map { log($0) }.reduce(0, +) / Double(positive.count))
  }
}
