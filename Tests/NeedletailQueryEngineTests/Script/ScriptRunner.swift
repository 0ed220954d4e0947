import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry

/// Runs evaluations and tells what differs from what they should yield.
enum ScriptRunner {
  /// What is wrong with an evaluation's outcome; nil if nothing is.
  static func run(_ evaluation: ScriptEvaluation) async -> String? {
    let engine = QueryEngine(
      series: MemorySeries(evaluation.data), limits: .patient, features: evaluation.features)
    let result: QueryResult
    do {
      switch evaluation.time {
      case .instant(let time):
        result = try await engine.instant(evaluation.query, tenant: .default, at: time)
      case .range(let start, let end, let step):
        result = try await engine.range(evaluation.query, tenant: .default, from: start, to: end, step: step)
      }
    } catch {
      return evaluation.failure == nil ? "failed: \(error)" : nil
    }
    if evaluation.failure != nil { return "did not fail" }
    return remarks(evaluation, result) ?? difference(evaluation, result)
  }

  private static func remarks(_ evaluation: ScriptEvaluation, _ result: QueryResult) -> String? {
    for expectation in evaluation.expectations {
      switch expectation {
      case .warning where result.warnings.isEmpty: return "no warning"
      case .info where result.infos.isEmpty: return "no info"
      case .warning(let text?) where !result.warnings.contains(text): return "\(result.warnings) instead of \(text)"
      case .info(let text?) where !result.infos.contains(text): return "\(result.infos) instead of \(text)"
      case .noWarning where !result.warnings.isEmpty: return "unexpected warnings \(result.warnings)"
      case .noInfo where !result.infos.isEmpty: return "unexpected infos \(result.infos)"
      default: continue
      }
    }
    var (warnings, infos): ([String?], [String?]) = ([], [])
    for expectation in evaluation.expectations {
      if case .warning(let text) = expectation { warnings.append(text) }
      if case .info(let text) = expectation { infos.append(text) }
    }
    return unstated(result.warnings, warnings) ?? unstated(result.infos, infos)
  }

  /// What is said beyond what is stated, where that is stated in full.
  private static func unstated(_ said: [String], _ stated: [String?]) -> String? {
    guard !stated.isEmpty, !stated.contains(nil) else { return nil }
    return said.first { !stated.contains($0) }.map { "unexpected \($0)" }
  }

  private static func difference(_ evaluation: ScriptEvaluation, _ result: QueryResult) -> String? {
    switch result.value {
    case .scalar(let value, _):
      guard case .number(let expected)? = evaluation.series.first?.values.first else { return "unexpected scalar" }
      return isAlmostEqual(value, expected) ? nil : "\(value) instead of \(expected)"
    case .string(let text, _):
      for case .string(let expected) in evaluation.expectations {
        return text == expected ? nil : "\"\(text)\" instead of \"\(expected)\""
      }
      return "unexpected string"
    case .vector(let columns): return difference(evaluation, columns, isOrdered: evaluation.isOrdered)
    case .matrix(let columns): return difference(evaluation, columns, isOrdered: false)
    case .logs, .spans: return "unexpected events"
    }
  }

  private static func difference(
    _ evaluation: ScriptEvaluation, _ columns: SeriesColumns, isOrdered: Bool
  ) -> String? {
    if isOrdered {
      let expected = evaluation.series.map { $0.labels ?? .empty }
      if expected != columns.labels { return "order \(columns.labels) instead of \(expected)" }
    }
    var start: Int64 = 0
    var step: Int64 = 1
    switch evaluation.time {
    case .instant(let time): start = time
    case .range(let first, _, let interval): (start, step) = (first, interval)
    }
    for case .rangeVector(let first, let interval) in evaluation.expectations { (start, step) = (first, interval) }
    var wanted: [LabelSet: [Int64: SeriesNotation.Value]] = [:]
    for (labels, values) in evaluation.series {
      var points: [Int64: SeriesNotation.Value] = [:]
      for (index, value) in values.enumerated() {
        if case .none = value { continue }
        points[start + Int64(index) * step] = value
      }
      if !points.isEmpty { wanted[labels ?? .empty] = points }
    }
    var histogram = 0
    for series in 0..<columns.count {
      let labels = columns.labels[series]
      guard var points = wanted.removeValue(forKey: labels) else { return "unexpected series \(labels)" }
      for index in columns.offsets[series]..<columns.offsets[series + 1] {
        var found: NativeHistogram?
        if histogram < columns.histogramIndexes.count, columns.histogramIndexes[histogram] == index {
          found = columns.histograms[histogram]
          histogram += 1
        }
        let time = columns.timestamps[index]
        guard let point = points.removeValue(forKey: time) else {
          return "\(labels): unexpected value \(found?.text ?? "\(columns.values[index])") at \(time)"
        }
        if let problem = difference(point, columns.values[index], found) { return "\(labels) at \(time): \(problem)" }
      }
      if let time = points.keys.min() { return "\(labels): no value at \(time)" }
    }
    if let missing = wanted.keys.first { return "missing series \(missing)" }
    return nil
  }

  private static func difference(
    _ expected: SeriesNotation.Value, _ value: Double, _ histogram: NativeHistogram?
  ) -> String? {
    switch (expected, histogram) {
    case (.number(let number), nil): return isAlmostEqual(value, number) ? nil : "\(value) instead of \(number)"
    case (.histogram(let wanted), let found?):
      let same =
        wanted.schema == found.schema && isAlmostEqual(wanted.count, found.count)
        && isAlmostEqual(wanted.sum, found.sum)
        && isAlmostEqual(wanted.zeroThreshold, found.zeroThreshold) && wanted.customBounds == found.customBounds
        && sameBuckets(wanted, found)
        && (wanted.resetHint == .unknown || wanted.resetHint == found.resetHint)
      return same ? nil : "\(found.text) instead of \(wanted.text)"
    case (.none, _): return "a value instead of none"
    default: return "a number instead of a histogram, or the other way round"
    }
  }

  private static func sameBuckets(_ left: NativeHistogram, _ right: NativeHistogram) -> Bool {
    let one = left.buckets.filter { $0.count != 0 }
    let other = right.buckets.filter { $0.count != 0 }
    return one.count == other.count
      && zip(one, other).allSatisfy {
        isAlmostEqual($0.count, $1.count) && isAlmostEqual($0.lower, $1.lower) && isAlmostEqual($0.upper, $1.upper)
      }
  }

  static func isAlmostEqual(_ left: Double, _ right: Double) -> Bool {
    if left.isNaN || right.isNaN { return left.isNaN && right.isNaN }
    if left == right { return true }
    let size = abs(left) + abs(right)
    if left == 0 || right == 0 || size < .leastNormalMagnitude {
      return abs(left - right) < 1e-6 * .leastNormalMagnitude
    }
    return abs(left - right) / min(size, .greatestFiniteMagnitude) < 1e-6
  }
}

extension ScriptEvaluation {
  var failure: Expectation? {
    expectations.first { if case .fail = $0 { true } else { false } }
  }

  var isOrdered: Bool {
    expectations.contains { if case .ordered = $0 { true } else { false } }
  }
}
