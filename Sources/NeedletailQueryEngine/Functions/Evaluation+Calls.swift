import NeedletailQueryLanguage
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// Functions over instant vectors.

extension Evaluation {
  func call(_ call: Call, span: SourceSpan, _ steps: Steps, labels: [String]? = nil) async throws -> VectorGrid {
    let function = call.function
    if function.isOverRange { return try await rangeCall(call, span: span, steps, labels: labels) }
    let arguments = call.arguments
    if function.isMetricsQL { return try await metricsQLCall(call, span: span, steps) }
    switch function {
    case .vector:
      let values = try await scalar(arguments[0], steps)
      var grid = VectorGrid(width: steps.count)
      grid.addRow(.empty)
      for step in values.indices { grid.set(0, step, values[step]) }
      return grid
    case .hour, .minute, .month, .year, .dayOfMonth, .dayOfWeek, .dayOfYear, .daysInMonth:
      return try await calendar(call, steps)
    case .absent: return absence(of: try await vector(arguments[0], steps), argument: arguments[0], steps)
    case .timestamp: return try await timestamps(call, steps)
    case .startTimestamp: return try await startTimestamps(call, steps)
    case .sort, .sortDesc:
      warnOfSorting(span)
      return sorted(try await vector(arguments[0], steps), ascending: function == .sort)
    case .sortByLabel, .sortByLabelDesc:
      warnOfSorting(span)
      let names = try arguments.dropFirst().map { try string($0) }
      return sorted(try await vector(arguments[0], steps), by: names, ascending: function == .sortByLabel)
    case .labelReplace: return try await labelReplace(arguments, steps)
    case .labelJoin: return try await labelJoin(arguments, steps)
    case .info: return try await info(arguments, steps)
    case .histogramQuantile: return try await histogramQuantile(call, steps)
    case .histogramQuantiles: return try await histogramQuantiles(call, steps)
    case .histogramFraction: return try await histogramFraction(call, steps)
    case .histogramCount, .histogramSum, .histogramAvg, .histogramStddev, .histogramStdvar:
      return try await histogramValue(call, steps)
    case .round, .clamp, .clampMin, .clampMax: return try await bounded(call, steps)
    default:
      guard let body = Self.simple(function) else {
        throw unsupported("function \(function.rawValue)", at: span)
      }
      var grid = try await vector(arguments[0], steps)
      grid.mapNumbers(body)
      try dropNames(of: &grid, call)
      return grid
    }
  }

  /// Drops the metric's name, as functions do unless they are told to keep it.
  func dropNames(of grid: inout VectorGrid, _ call: Call) throws {
    if !call.keepsNames { try dropNames(of: &grid) }
  }

  /// The functions of one number.
  private static func simple(_ function: Function) -> ((Double) -> Double)? {
    switch function {
    case .abs: { $0.magnitude }
    case .ceil: { $0.rounded(.up) }
    case .floor: { $0.rounded(.down) }
    case .exp: { exp($0) }
    case .sqrt: { $0.squareRoot() }
    case .ln: { log($0) }
    case .log2: { log2($0) }
    case .log10: { log10($0) }
    case .sgn: { $0 > 0 ? 1 : ($0 < 0 ? -1 : $0) }
    case .sin: { sin($0) }
    case .cos: { cos($0) }
    case .tan: { tan($0) }
    case .asin: { asin($0) }
    case .acos: { acos($0) }
    case .atan: { atan($0) }
    case .sinh: { sinh($0) }
    case .cosh: { cosh($0) }
    case .tanh: { tanh($0) }
    case .asinh: { asinh($0) }
    case .acosh: { acosh($0) }
    case .atanh: { atanh($0) }
    case .deg: { $0 * 180 / .pi }
    case .rad: { $0 * .pi / 180 }
    default: nil
    }
  }

  private func bounded(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let arguments = call.arguments
    var grid = try await vector(arguments[0], steps)
    var bounds: [[Double]] = []
    for argument in arguments.dropFirst() { bounds.append(try await scalar(argument, steps)) }
    Self.bound(call.function, &grid, bounds)
    try dropNames(of: &grid, call)
    return grid
  }

  private static func bound(_ function: Function, _ grid: inout VectorGrid, _ bounds: [[Double]]) {
    for row in 0..<grid.count {
      for step in 0..<grid.width {
        guard let value = grid.number(row, step) else {
          grid.clear(row, step)
          continue
        }
        switch function {
        case .round:
          let inverse = 1 / (bounds.first?[step] ?? 1)
          grid.set(row, step, (value * inverse + 0.5).rounded(.down) / inverse)
        case .clampMin: grid.set(row, step, Self.greater(bounds[0][step], value))
        case .clampMax: grid.set(row, step, Self.less(bounds[0][step], value))
        default:
          let (low, high) = (bounds[0][step], bounds[1][step])
          if high < low {
            grid.clear(row, step)
          } else {
            grid.set(row, step, Self.greater(low, Self.less(high, value)))
          }
        }
      }
    }
  }

  /// The greater one: infinity above all, then NaN.
  static func greater(_ left: Double, _ right: Double) -> Double {
    if left == .infinity || right == .infinity { return .infinity }
    return left.isNaN || right.isNaN ? .nan : max(left, right)
  }

  /// The lesser one: negative infinity above all, then NaN.
  static func less(_ left: Double, _ right: Double) -> Double {
    if left == -.infinity || right == -.infinity { return -.infinity }
    return left.isNaN || right.isNaN ? .nan : min(left, right)
  }

  private func timestamps(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let argument = call.arguments[0]
    var grid: VectorGrid
    if case .selector(let selector) = argument.withoutParentheses.node {
      grid = try await instantSelector(
        selector, span: argument.span, steps, hints: SelectionHints(function: "timestamp"), yields: .time)
    } else {
      grid = try await vector(argument, steps)
      for row in 0..<grid.count {
        for step in 0..<steps.count where grid.isPresent(row, step) {
          grid.set(row, step, Double(steps.time(step)) / 1000)
        }
      }
    }
    try dropNames(of: &grid, call)
    return grid
  }

  /// Of anything but a selector nobody can tell when it began to count.
  private func startTimestamps(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let argument = call.arguments[0]
    guard engine.features.usesStartTimestamps, case .selector(let selector) = argument.withoutParentheses.node else {
      return VectorGrid(width: steps.count)
    }
    var grid = try await instantSelector(
      selector, span: argument.span, steps, hints: SelectionHints(function: "start_timestamp", needsStarts: true),
      yields: .start)
    try dropNames(of: &grid, call)
    return grid
  }

  private func calendar(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let function = call.function
    var grid = VectorGrid(width: steps.count)
    if let argument = call.arguments.first {
      grid = try await vector(argument, steps)
      grid.mapNumbers { CalendarDate(seconds: $0)?.value(function) ?? .nan }
      try dropNames(of: &grid, call)
    } else {
      grid.addRow(.empty)
      for step in 0..<steps.count {
        grid.set(0, step, CalendarDate(seconds: Double(steps.time(step)) / 1000)?.value(function) ?? .nan)
      }
    }
    return grid
  }

  // MARK: Order

  func warnOfSorting(_ span: SourceSpan) {
    guard !isInstant else { return }
    warn("sort is ineffective for range queries since results are always ordered by labels", at: span)
  }

  /// Sorts by value; only an instant query has an order.
  private func sorted(_ grid: VectorGrid, ascending: Bool) -> VectorGrid {
    guard isInstant, grid.width == 1 else { return grid }
    let rows = (0..<grid.count).filter { grid.number($0, 0) != nil }
    var result = grid.selecting(RowOrder.numbers(of: grid, at: 0, ascending: ascending).sorted(rows))
    result.isOrdered = true
    return result
  }

  func sorted(_ grid: VectorGrid, by names: [String], ascending: Bool) -> VectorGrid {
    guard isInstant else { return grid }
    let keys = grid.labels.map { labels in names.map { labels[$0] ?? "" } }
    let order = RowOrder.texts(keys, labels: grid.labels, ascending: ascending)
    var result = grid.selecting(order.sorted(Array(0..<grid.count)))
    result.isOrdered = true
    return result
  }

  // MARK: Labels

  private func labelReplace(_ arguments: [Expression], _ steps: Steps) async throws -> VectorGrid {
    var grid = try await vector(arguments[0], steps)
    let (target, template) = (try string(arguments[1]), try string(arguments[2]))
    let (source, pattern) = (try string(arguments[3]), try string(arguments[4]))
    guard !target.isEmpty else {
      throw QueryError.execution("invalid destination label name in label_replace(): \(target)")
    }
    let expression: RegularExpression
    do {
      expression = try RegularExpression("(?s:\(pattern))")
    } catch {
      throw QueryError.execution("invalid regular expression in label_replace(): \(pattern)")
    }
    let replacement = LabelTemplate(template, expression)
    try grid.relabel { labels, losesName in
      let value = Array((labels[source] ?? "").utf8)
      return value.withUnsafeBytes { bytes in
        guard let groups = expression.capturesOfWhole(bytes) else { return labels }
        if target == LabelSet.nameLabel { losesName = false }
        return labels.setting(target, replacement.expand(bytes, groups))
      }
    }
    return grid
  }

  private func labelJoin(_ arguments: [Expression], _ steps: Steps) async throws -> VectorGrid {
    var grid = try await vector(arguments[0], steps)
    let (target, separator) = (try string(arguments[1]), try string(arguments[2]))
    guard !target.isEmpty else {
      throw QueryError.execution("invalid destination label name in label_join(): \(target)")
    }
    let sources = try arguments.dropFirst(3).map { try string($0) }
    guard !sources.contains("") else {
      throw QueryError.execution("invalid source label name in label_join(): it is empty")
    }
    try grid.relabel { labels, losesName in
      if target == LabelSet.nameLabel { losesName = false }
      return labels.setting(target, sources.map { labels[$0] ?? "" }.joined(separator: separator))
    }
    return grid
  }
}
