import Foundation
import NeedletailProcesses

/// An answer of Prometheus' query API, in a form that can be compared.
enum QueryAnswer: Sendable {
  /// A sample's value.
  enum Value: Sendable {
    case number(Double)
    /// Count and sum, and of each bucket what is part of it of its edges, these, and what it holds.
    case histogram([Double])
    case text(String)
  }

  case failure(kind: String, message: String)
  /// By the labels of the series, in the order of the answer: times in seconds and values.
  case series(type: String, [(labels: String, samples: [(time: Double, value: Value)])])

  init(_ body: Data) throws {
    guard let answer = try JSONSerialization.jsonObject(with: body) as? [String: Any] else {
      throw TestFailure("no answer: \(String(decoding: body.prefix(300), as: UTF8.self))")
    }
    if let kind = answer["errorType"] as? String {
      self = .failure(kind: kind, message: answer["error"] as? String ?? "")
      return
    }
    guard let data = answer["data"] as? [String: Any], let type = data["resultType"] as? String else {
      throw TestFailure("no data: \(String(decoding: body.prefix(300), as: UTF8.self))")
    }
    if type == "scalar" || type == "string" {
      self = .series(type: type, [("", [try Self.sample(data["result"], isText: type == "string")])])
      return
    }
    guard let result = data["result"] as? [[String: Any]] else { throw TestFailure("no result") }
    self = .series(
      type: type,
      try result.map { series in
        let labels = series["metric"] as? [String: String] ?? [:]
        let numbers = try (series["values"] as? [Any] ?? series["value"].map { [$0] } ?? []).map { try Self.sample($0) }
        let histograms = try (series["histograms"] as? [Any] ?? series["histogram"].map { [$0] } ?? [])
          .map { try Self.histogram($0) }
        let text = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ", ")
        return ("{\(text)}", (numbers + histograms).sorted { $0.time < $1.time })
      })
  }

  /// Whether there is anything in it.
  var hasSamples: Bool {
    if case .series(_, let series) = self { series.contains { !$0.samples.isEmpty } } else { false }
  }

  private static func sample(_ json: Any?, isText: Bool = false) throws -> (time: Double, value: Value) {
    guard let pair = json as? [Any], pair.count == 2, let time = (pair[0] as? NSNumber)?.doubleValue,
      let text = pair[1] as? String
    else { throw TestFailure("no sample: \(String(describing: json))") }
    return (time, isText ? .text(text) : .number(try number(text)))
  }

  private static func number(_ json: Any?) throws -> Double {
    if let number = json as? NSNumber { return number.doubleValue }
    guard let text = json as? String, let value = Double(text) else {
      throw TestFailure("no number: \(String(describing: json))")
    }
    return value
  }

  private static func histogram(_ json: Any) throws -> (time: Double, value: Value) {
    guard let pair = json as? [Any], pair.count == 2, let time = (pair[0] as? NSNumber)?.doubleValue,
      let fields = pair[1] as? [String: Any]
    else { throw TestFailure("no histogram: \(json)") }
    let buckets = try (fields["buckets"] as? [[Any]] ?? []).flatMap { try $0.map { try number($0) } }
    return (time, .histogram([try number(fields["count"]), try number(fields["sum"])] + buckets))
  }

  // MARK: Comparison

  /// What differs from another answer; nil where nothing does. Series have no order unless it is asked for.
  func difference(from other: QueryAnswer, tolerance: Double, isOrdered: Bool = false) -> String? {
    switch (self, other) {
    case (.failure(let kind, let message), .failure(let otherKind, let otherMessage)):
      return kind == otherKind ? nil : "fails with \(kind) (\(message)) instead of \(otherKind) (\(otherMessage))"
    case (.failure(let kind, let message), .series): return "fails with \(kind): \(message)"
    case (.series, .failure(let kind, let message)): return "does not fail with \(kind): \(message)"
    case (.series(let type, let series), .series(let otherType, let otherSeries)):
      guard type == otherType else { return "is a \(type) instead of a \(otherType)" }
      if isOrdered, series.map(\.labels) != otherSeries.map(\.labels) {
        return "is in the order \(series.map(\.labels)) instead of \(otherSeries.map(\.labels))"
      }
      var expected = Dictionary(otherSeries.map { ($0.labels, $0.samples) }) { $0 + $1 }
      for (labels, samples) in series {
        guard let wanted = expected.removeValue(forKey: labels) else { return "has \(labels), which should not be" }
        if let difference = Self.difference(samples, wanted, tolerance) { return "\(labels) \(difference)" }
      }
      return expected.keys.min().map { "lacks \($0)" }
    }
  }

  private static func difference(
    _ samples: [(time: Double, value: Value)], _ wanted: [(time: Double, value: Value)], _ tolerance: Double
  ) -> String? {
    let times = samples.map(\.time)
    guard times == wanted.map(\.time) else { return "has values at \(times) instead of \(wanted.map(\.time))" }
    for (sample, other) in zip(samples, wanted) {
      guard areEqual(sample.value, other.value, tolerance) else {
        return "is \(sample.value) instead of \(other.value) at \(sample.time)"
      }
    }
    return nil
  }

  private static func areEqual(_ left: Value, _ right: Value, _ tolerance: Double) -> Bool {
    switch (left, right) {
    case (.number(let left), .number(let right)): areEqual(left, right, tolerance)
    case (.text(let left), .text(let right)): left == right
    case (.histogram(let left), .histogram(let right)):
      left.count == right.count && zip(left, right).allSatisfy { areEqual($0, $1, tolerance) }
    default: false
    }
  }

  private static func areEqual(_ left: Double, _ right: Double, _ tolerance: Double) -> Bool {
    if left == right || (left.isNaN && right.isNaN) { return true }
    guard left.isFinite, right.isFinite else { return false }
    return abs(left - right) <= tolerance * max(abs(left), abs(right))
  }
}
