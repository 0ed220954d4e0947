import NeedletailQueryLanguage
import NeedletailTelemetry

// Functions over histograms, native ones and the classic ones that are series of cumulative buckets.

extension Evaluation {
  /// The classic buckets of a grid by the labels that they share, in the order in which these came up; those that share
  /// labels are sorted by their bounds.
  private struct Classic {
    var labels: [LabelSet] = []
    var rows: [[(row: Int, upper: Double)]] = []
  }

  private func classic(_ grid: VectorGrid, at span: SourceSpan) -> Classic {
    let bound = [Array("le".utf8)]
    var result = Classic()
    var known: [LabelSet: Int] = [:]
    for row in 0..<grid.count {
      let labels = grid.labels[row]
      guard (0..<grid.width).contains(where: { grid.number(row, $0) != nil }) else { continue }
      guard let text = labels["le"], let upper = Self.bound(text) else {
        let metric = labels.metricName ?? ""
        warn(
          "bucket label \"le\" is missing or has a malformed value of \"\(labels["le"] ?? "")\""
            + (metric.isEmpty ? "" : " for metric name \"\(metric)\""), at: span)
        continue
      }
      let key = labels.dropping(bound)
      let index = known[key] ?? result.labels.count
      if known.updateValue(index, forKey: key) == nil {
        result.labels.append(key)
        result.rows.append([])
      }
      result.rows[index].append((row, upper))
    }
    for (index, members) in result.rows.enumerated() {
      let order = RowOrder.numbers(members.map(\.upper))
      result.rows[index] = order.sorted(Array(members.indices)).map { members[$0] }
    }
    return result
  }

  private static func bound(_ text: String) -> Double? {
    switch text.lowercased() {
    case "+inf", "inf", "infinity", "+infinity": .infinity
    case "-inf", "-infinity": -.infinity
    default: Double(text)
    }
  }

  func histogramQuantile(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let arguments = call.arguments
    let quantiles = try await quantiles(arguments[0], steps)
    let grid = try await vector(arguments[1], steps, hints: SelectionHints(function: "histogram_quantile"))
    return try self.quantiles(quantiles, of: grid, at: arguments[1].span, steps, keepsNames: call.keepsNames)
  }

  /// Several quantiles at once, told apart by a label whose values are the quantiles as OpenMetrics spells them.
  func histogramQuantiles(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let arguments = call.arguments
    let label = try string(arguments[1])
    let grid = try await vector(arguments[0], steps, hints: SelectionHints(function: "histogram_quantiles"))
    var result = VectorGrid(width: steps.count)
    for argument in arguments.dropFirst(2) {
      let quantiles = try await quantiles(argument, steps)
      // Each step may have a quantile of its own, and with it another label.
      var byQuantile: [UInt64: [Int]] = [:]
      for step in quantiles.indices { byQuantile[quantiles[step].bitPattern, default: []].append(step) }
      let values = try self.quantiles(
        quantiles, of: grid, at: arguments[0].span, steps, keepsNames: call.keepsNames)
      try reserve(rows: result.count + values.count * byQuantile.count, steps)
      for (bits, wanted) in byQuantile.sorted(by: { ($0.value.first ?? 0) < ($1.value.first ?? 0) }) {
        let text = Self.openMetrics(Double(bitPattern: bits))
        for row in 0..<values.count {
          let target = result.addRow(
            values.labels[row].setting(label, text), losesName: values.losesName[row])
          for step in wanted where values.isPresent(row, step) { result.set(target, step, values.cell(row, step)) }
          result.dropLastRowIfEmpty()
        }
      }
    }
    try result.mergeEqualRows()
    return result
  }

  /// A number as OpenMetrics spells it: whole ones with `.0`.
  private static func openMetrics(_ value: Double) -> String {
    value.isFinite ? value.description : Printer.number(value)
  }

  private func quantiles(_ argument: Expression, _ steps: Steps) async throws -> [Double] {
    let quantiles = try await scalar(argument, steps)
    if let bad = quantiles.first(where: { $0.isNaN || $0 < 0 || $0 > 1 }) {
      warn("quantile value should be between 0 and 1, got \(Printer.number(bad))", at: argument.span)
    }
    return quantiles
  }

  private func quantiles(
    _ quantiles: [Double], of grid: VectorGrid, at span: SourceSpan, _ steps: Steps, keepsNames: Bool
  ) throws -> VectorGrid {
    try histograms(grid, span, steps, keepsNames: keepsNames) { histogram, step, name in
      let value = histogram.quantile(quantiles[step])
      if histogram.sum.isNaN, !value.isInfinite {
        inform(
          "input to histogram_quantile has NaN observations, result is "
            + (value.isNaN ? "NaN" : "skewed higher") + name, at: span)
      }
      return value
    } classic: {
      $0.quantile(quantiles[$1])
    }
  }

  func histogramFraction(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let arguments = call.arguments
    let lower = try await scalar(arguments[0], steps)
    let upper = try await scalar(arguments[1], steps)
    let grid = try await vector(arguments[2], steps)
    return try histograms(grid, arguments[2].span, steps, keepsNames: call.keepsNames) { histogram, step, name in
      if histogram.sum.isNaN {
        inform(
          "input to histogram_fraction has NaN observations, which are excluded from all fractions" + name,
          at: arguments[2].span)
      }
      return histogram.fraction(from: lower[step], to: upper[step])
    } classic: {
      $0.fraction(from: lower[$1], to: upper[$1])
    }
  }

  /// What remarks on a row tell of the metric's name, where it is still there.
  private func told(_ labels: LabelSet) -> String {
    labels.metricName.map { " for metric name \"\($0)\"" } ?? ""
  }

  /// One number per histogram, whether native or classic; where a step has both for the same labels, neither counts.
  private func histograms(
    _ grid: VectorGrid, _ span: SourceSpan, _ steps: Steps, keepsNames: Bool,
    native: (NativeHistogram, Int, String) -> Double, classic: (ClassicHistogram, Int) -> Double
  ) throws -> VectorGrid {
    let keepsLabels = keepsNames || engine.features.delaysNameRemoval
    var result = VectorGrid(width: steps.count)
    var rows: [LabelSet: Int] = [:]
    for row in 0..<grid.count {
      let cells = (0..<steps.count).filter { grid.histogram(row, $0) != nil }
      guard !cells.isEmpty else { continue }
      let labels = keepsLabels ? grid.labels[row] : grid.labels[row].withoutName
      let target = rows[labels] ?? result.addRow(labels)
      rows[labels] = target
      let name = told(labels)
      for step in cells {
        guard let histogram = grid.histogram(row, step) else { continue }
        guard !result.isPresent(target, step) else {
          throw QueryError.execution("vector cannot contain metrics with the same labelset")
        }
        result.set(target, step, native(histogram, step, name))
      }
    }
    let groups = self.classic(grid, at: span)
    var classicRows: [LabelSet: Int] = [:]
    for (labels, members) in zip(keepsLabels ? groups.labels : groups.labels.map(\.withoutName), groups.rows) {
      let isShared = classicRows[labels] != nil
      let target = rows[labels] ?? classicRows[labels] ?? result.addRow(labels)
      classicRows[labels] = target
      for step in 0..<steps.count {
        let buckets = members.compactMap { member in
          grid.number(member.row, step).map { ClassicHistogram.Bucket(upper: member.upper, count: $0) }
        }
        guard !buckets.isEmpty else { continue }
        guard !result.isPresent(target, step) else {
          guard !isShared else {
            throw QueryError.execution("vector cannot contain metrics with the same labelset")
          }
          warn("vector contains a mix of classic and native histograms" + told(labels), at: span)
          result.clear(target, step)
          continue
        }
        let histogram = ClassicHistogram(buckets)
        result.set(target, step, classic(histogram, step))
        if histogram.repair.wasNotMonotonic {
          inform(
            "input to histogram_quantile needed to be fixed for monotonicity "
              + "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)", at: span)
        }
      }
    }
    if !keepsNames, engine.features.delaysNameRemoval { result.loseNames() }
    return result
  }

  /// The functions that only native histograms have.
  func histogramValue(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let (function, argument) = (call.function, call.arguments[0])
    let rule = hintRule
    if function != .histogramStddev, function != .histogramStdvar { hintRule = .both }
    defer { hintRule = rule }
    var grid = try await vector(argument, steps, hints: SelectionHints(function: function.rawValue))
    for row in 0..<grid.count {
      for step in 0..<steps.count {
        guard let histogram = grid.histogram(row, step) else {
          grid.clear(row, step)
          continue
        }
        let value =
          switch function {
          case .histogramCount: histogram.count
          case .histogramSum: histogram.sum
          case .histogramAvg: histogram.sum / histogram.count
          case .histogramStddev: histogram.variance.squareRoot()
          default: histogram.variance
          }
        grid.set(row, step, value)
      }
    }
    try dropNames(of: &grid, call)
    return grid
  }
}
