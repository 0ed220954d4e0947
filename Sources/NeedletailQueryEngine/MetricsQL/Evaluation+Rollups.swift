import NeedletailQueryLanguage
import NeedletailTelemetry

// MetricsQL's functions over ranges: one row or several of each series, every one by a kernel of its own that slides over
// the same columns.

extension Evaluation {
  /// A row that becomes of each series.
  private struct Output: Sendable {
    /// One of MetricsQL's, or one of PromQL's that is told beside others.
    let function: Function
    let part: RollupKernel.Part?
    /// At each step the function's parameter; empty where it has none.
    let parameter: [Double]
    /// What tells the row from others of its series.
    let label: (name: String, value: String)?
    let keepsName: Bool
  }

  private struct RollupTask: Sendable {
    let outputs: [Output]
    let steps: Steps
    let span: SourceSpan
    /// How far before a window the number may lie that is the window's neighbour; 0 where none is wanted.
    let before: Int64
    /// Whether series that are told alike are alike.
    let tellsAllLabels: Bool
  }

  /// Evaluates one of MetricsQL's functions whose argument is a range of series.
  func rollupCall(
    _ call: Call, _ argument: Expression, _ steps: Steps, labels: [String]?
  ) async throws -> VectorGrid {
    let outputs = try await outputs(of: call, steps)
    let before = outputs.contains { $0.function.looksBeforeRange } ? options.lookback : 0
    // Rows that are told apart by a label of their own may be alike for having lost one of that name.
    let labels = outputs.contains { $0.label != nil } ? nil : labels
    // Sources know what PromQL's functions look at, and nothing of these.
    let reader = try await ranges(argument, steps, hints: SelectionHints(labels: labels), before: before)
    let task = RollupTask(
      outputs: outputs, steps: steps, span: argument.span, before: before, tellsAllLabels: labels == nil)
    var found: Portion
    if let cursor = reader.cursor {
      let windows = reader.windows
      found = try await inShares(of: cursor, width: steps.count) { evaluation, cursor, tally, portion in
        let reader = RangeReader(evaluation, windows: windows, cursor: cursor, tally: tally)
        try await evaluation.rollup(task, reader, tally, &portion)
      }
    } else {
      found = Portion(width: steps.count)
      try await rollup(task, reader, tally(), &found)
    }
    var grid = found.grid
    // A label may take another's place, and so make two rows alike.
    let mayMerge = found.names.mayMerge && outputs.contains { !$0.keepsName }
    if mayMerge || outputs.contains(where: { $0.label != nil }) { try grid.mergeEqualRows() }
    return grid
  }

  private func outputs(of call: Call, _ steps: Steps) async throws -> [Output] {
    let function = call.function
    let keepsName = call.keepsNames || function.keepsMetricName
    var texts: [String] = []
    var numbers: [[Double]] = []
    for argument in call.arguments {
      if argument.type == .string { texts.append(try string(argument)) }
      if argument.type == .scalar { numbers.append(try await scalar(argument, steps)) }
    }
    switch function {
    case .aggrOverTime:
      return texts.map { text in
        let function = Function(rawValue: text) ?? function
        let keepsName =
          call.keepsNames || function.keepsMetricName || function == .lastOverTime || function == .firstOverTime
        return Output(
          function: function, part: nil, parameter: [], label: ("rollup", text), keepsName: keepsName)
      }
    case .quantilesOverTime:
      return numbers.map { phi in
        let label = (texts.first ?? "", GoNumber.text(phi.first ?? .nan))
        return Output(
          function: .quantileOverTime, part: nil, parameter: phi, label: label, keepsName: keepsName)
      }
    case _ where !function.rollups.isEmpty:
      let wanted = texts.first
      return function.rollups.filter { wanted == nil || wanted == $0 }.map { name in
        Output(
          function: function, part: RollupKernel.Part(rawValue: name), parameter: [],
          label: wanted == nil ? ("rollup", name) : nil, keepsName: keepsName)
      }
    default:
      return [
        Output(function: function, part: nil, parameter: numbers.first ?? [], label: nil, keepsName: keepsName)
      ]
    }
  }

  /// Makes the rows of each series that a reader finds.
  private func rollup(
    _ task: RollupTask, _ reader: RangeReader, _ tally: SelectionTally, _ portion: inout Portion
  ) async throws {
    var kernels = task.outputs.map { RollupKernel($0.function, part: $0.part) }
    var plain = task.outputs.map { RangeKernel(function: $0.function) }
    while try await reader.advance() { try rollup(task, &kernels, &plain, reader, tally, into: &portion) }
  }

  /// Adds the rows of each series that has arrived.
  private func rollup(
    _ task: RollupTask, _ kernels: inout [RollupKernel], _ plain: inout [RangeKernel], _ reader: RangeReader,
    _ tally: SelectionTally, into portion: inout Portion
  ) throws {
    let windows = reader.windows
    let looksForFalls = task.outputs.contains {
      $0.function == .increasePure || $0.function == .rate || $0.function == .increase
    }
    var samples = RangeSamples()
    while let labels = try reader.next(&samples) {
      // Starts are PromQL's alone here.
      samples.dropStarts()
      if looksForFalls { samples.findFalls(usingStarts: false) }
      let (name, rest, hadType) = labels.splitName()
      portion.names.see(name)
      if hadType, task.tellsAllLabels { portion.names.seeType() }
      for (index, output) in task.outputs.enumerated() {
        try tally.reserve(rows: 1, task.steps)
        var rowLabels = output.keepsName ? labels : rest
        if let label = output.label { rowLabels = rowLabels.setting(label.name, label.value) }
        let row = portion.grid.addRow(rowLabels, losesName: output.keepsName && reader.losesName)
        if output.function.isMetricsQL {
          try fill(row, task, output, &kernels[index], samples, windows, &portion.grid)
        } else {
          plain[index].beginSeries()
          try fill(row, task, output, &plain[index], samples, windows, &portion.grid)
        }
        portion.grid.dropLastRowIfEmpty()
        if portion.grid.count == row { tally.giveBack(rows: 1, task.steps) }
        try spend(0)
        report(&plain[index], portion.names, portion.grid.count > row, at: task.span)
      }
    }
  }

  /// Sets the cells of a row by one of MetricsQL's functions, which see numbers alone.
  private func fill(
    _ row: Int, _ task: RollupTask, _ output: Output, _ kernel: inout RollupKernel, _ samples: borrowing RangeSamples,
    _ windows: [RangeWindow], _ grid: inout VectorGrid
  ) throws {
    var slider = RangeSlider()
    var sawHistograms = false
    for step in windows.indices {
      if step & 4095 == 4095 { try spend(0) }
      slider.slide(over: samples, to: windows[step])
      sawHistograms = sawHistograms || !slider.histograms.isEmpty
      let range = slider.numbers
      guard !range.isEmpty else { continue }
      var before: Int?
      if task.before > 0, range.lowerBound > samples.numbers.lowerBound,
        samples.times[range.lowerBound - 1] > windows[step].start - task.before
      {
        before = range.lowerBound - 1
      }
      let parameter = output.parameter.isEmpty ? 0 : output.parameter[step]
      if let value = kernel.value(samples, range, before: before, windows[step], parameter) {
        grid.set(row, step, value)
      }
    }
    if sawHistograms { inform("ignored histograms in a range of \(kernel.function.rawValue)", at: task.span) }
  }

  /// Sets the cells of a row by one of PromQL's functions.
  private func fill(
    _ row: Int, _ task: RollupTask, _ output: Output, _ kernel: inout RangeKernel, _ samples: borrowing RangeSamples,
    _ windows: [RangeWindow], _ grid: inout VectorGrid
  ) throws {
    var slider = RangeSlider()
    for step in windows.indices {
      if step & 4095 == 4095 { try spend(0) }
      slider.slide(over: samples, to: windows[step])
      guard !slider.isEmpty else { continue }
      let parameters = output.parameter.isEmpty ? [] : [output.parameter[step]]
      let now = task.steps.time(step)
      let cell = kernel.evaluate(samples, slider, windows[step], parameters, now: now)
      if case .absent = cell { continue }
      grid.set(row, step, cell)
    }
  }
}
