import NeedletailQueryLanguage
import NeedletailTelemetry

// Functions over the samples of a range. A series' columns are decoded once; the window slides over them step by step.

extension Evaluation {
  /// Evaluates a function whose argument is a range of series, of which only some labels may be needed.
  func rangeCall(_ call: Call, span: SourceSpan, _ steps: Steps, labels: [String]?) async throws -> VectorGrid {
    guard let argument = call.arguments.first(where: { $0.type == .range }) else {
      throw QueryError(.internal, "function without a range")
    }
    if argument.isEventRange { return try await eventCall(call, argument, steps) }
    if call.function.isMetricsQL { return try await rollupCall(call, argument, steps, labels: labels) }
    let opened = try await openRange(call, argument, steps, labels: labels)
    let found = try await rows(of: opened, steps)
    var grid = found.grid
    if call.function == .absentOverTime { return absence(of: grid, argument: argument, steps) }
    // Series of one name that differ go on to differ without it, unless they differ in the metric's type.
    if !opened.task.keepsName, !opened.task.delaysNameRemoval, found.names.mayMerge { try grid.mergeEqualRows() }
    return grid
  }

  /// The series of a function over ranges, found and not read yet, and what is to be made of them.
  struct OpenedRange {
    let reader: RangeReader
    fileprivate let task: RangeTask
  }

  func openRange(
    _ call: Call, _ argument: Expression, _ steps: Steps, labels: [String]?, for sink: GroupSink? = nil
  ) async throws -> OpenedRange {
    var parameters: [[Double]] = []
    for other in call.arguments where other.type == .scalar { parameters.append(try await scalar(other, steps)) }
    // Whoever has the query looks at them.
    if givenPlace == nil { checkParameters(call, parameters) }
    let function = call.function
    let usesStarts = engine.features.usesStartTimestamps && function.usesStarts
    let reader = try await ranges(
      argument, steps,
      hints: SelectionHints(
        function: function.rawValue, labels: labels, needsStarts: usesStarts,
        takesHistogramBefore: function.tellsResetHints),
      // What the steps look at is counted sample by sample.
      standIns: counts(steps) ? nil : function.standIns, for: sink,
      deriving: sink?.reduction == nil ? derivation(of: call, argument, steps) : nil)
    reader.hintRule = function.tellsResetHints ? hintRule : nil
    let task = RangeTask(
      function: function, parameters: parameters, steps: steps, span: argument.span,
      keepsName: call.keepsNamesOverRange, edges: argument.edgeRule, tellsAllLabels: labels == nil,
      usesStarts: usesStarts, delaysNameRemoval: engine.features.delaysNameRemoval)
    return OpenedRange(reader: reader, task: task)
  }

  /// A row for each series that was found; with a sink all go there, which is for functions that are `isFoldable`.
  func rows(of opened: OpenedRange, _ steps: Steps, into sink: GroupSink? = nil) async throws -> Portion {
    let (reader, task) = (opened.reader, opened.task)
    guard let cursor = reader.cursor else {
      var found = Portion(width: steps.count)
      try await makeRows(task, reader, tally(), &found)
      return found
    }
    let (windows, rule) = (reader.windows, reader.hintRule)
    return try await inShares(of: cursor, width: steps.count, into: sink) { evaluation, cursor, tally, portion in
      let reader = RangeReader(evaluation, windows: windows, cursor: cursor, tally: tally)
      reader.hintRule = rule
      try await evaluation.makeRows(task, reader, tally, &portion)
    }
  }

  /// What a function over ranges is to do with each series.
  fileprivate struct RangeTask: Sendable {
    let function: Function
    /// Of each parameter the value at each step.
    let parameters: [[Double]]
    let steps: Steps
    let span: SourceSpan
    let keepsName: Bool
    /// How the edges of windows are found; nil where samples within them are all that counts.
    let edges: EdgeRule?
    /// Whether series that are told alike are alike.
    let tellsAllLabels: Bool
    /// Whether it matters when counts began.
    let usesStarts: Bool
    let delaysNameRemoval: Bool
  }

  /// Makes a row of each series that a reader finds.
  private func makeRows(
    _ task: RangeTask, _ reader: RangeReader, _ tally: SelectionTally, _ portion: inout Portion
  ) async throws {
    var kernel = RangeKernel(function: task.function)
    while try await reader.advance() { try evaluate(task, &kernel, over: reader, tally, into: &portion) }
  }

  /// Adds a row for each series that has arrived.
  private func evaluate(
    _ task: RangeTask, _ kernel: inout RangeKernel, over reader: RangeReader, _ tally: SelectionTally,
    into portion: inout Portion
  ) throws {
    let windows = reader.windows
    var samples = RangeSamples()
    while let labels = try reader.next(&samples) {
      if counts(task.steps) { samples.count(windows, into: &statistics) }
      let (name, rest, hadType) = labels.splitName()
      portion.names.see(name)
      if hadType, task.tellsAllLabels { portion.names.seeType() }
      kernel.beginSeries()
      try tally.reserve(rows: 1, task.steps)
      let histograms = portion.grid.histograms.count
      let row = portion.grid.addRow(
        task.keepsName || task.delaysNameRemoval ? labels : rest, losesName: !task.keepsName || reader.losesName)
      if let derived = reader.derived {
        reader.takeDerived(row, &portion.grid)
        kernel.take(derived)
      } else {
        try fill(row, task, &kernel, &samples, windows, &portion.grid)
      }
      try tally.reserve(portion.grid.histograms[histograms...])
      portion.grid.dropLastRowIfEmpty()
      if portion.grid.count == row { tally.giveBack(rows: 1, task.steps) }
      try spend(0)
      report(&kernel, portion.names, portion.grid.count > row, at: task.span)
    }
  }

  /// The next chunk of what a function over ranges makes of series, each told as what is smaller; for somebody else's
  /// query.
  func nextDerived(_ opened: OpenedRange, _ steps: Steps) async throws -> SeriesColumns? {
    let (reader, task) = (opened.reader, opened.task)
    guard try await reader.advance() else { return nil }
    var told = DerivedColumns(of: reader.chunk)
    var (grid, samples) = (VectorGrid(width: steps.count), RangeSamples())
    var kernel = RangeKernel(function: task.function)
    // What lies beyond a window may count, too.
    let margin = task.edges == nil ? 0 : options.lookback
    while try reader.next(&samples) != nil {
      let found = reader.chunk.offsets[reader.series]..<reader.chunk.offsets[reader.series + 1]
      let seen = steps.count(seeing: found, of: reader.chunk) {
        RangeWindow(start: reader.windows[$0].start - margin, end: reader.windows[$0].end + margin)
      }
      guard told.mayPay(reader.series, valueCount: seen) else { continue }
      grid.beginRow()
      kernel.beginSeries()
      try fill(0, task, &kernel, &samples, reader.windows, &grid)
      try spend(0)
      told.add(reader.series, grid, remarks: kernel.takeRemarks(), sawNumbers: kernel.sawNumbers)
    }
    return told.take()
  }

  /// Sets the cells of a row by the samples of its series.
  private func fill(
    _ row: Int, _ task: RangeTask, _ kernel: inout RangeKernel, _ samples: inout RangeSamples,
    _ windows: [RangeWindow], _ grid: inout VectorGrid
  ) throws {
    if !task.usesStarts { samples.dropStarts() }
    let looksForStarts = task.usesStarts && task.function == .resets
    if task.function == .rate || task.function == .increase || (looksForStarts && samples.hasStarts) {
      // Of edges that lie between samples nobody tells when they began.
      samples.findFalls(usingStarts: looksForStarts || task.edges == nil)
    }
    guard let rule = task.edges else { return try fillRow(row, task, &kernel, samples, windows, &grid) }
    try fillRow(row, task, rule, &kernel, samples, windows, &grid)
  }

  /// Sets the cells of a row.
  private func fillRow(
    _ row: Int, _ task: RangeTask, _ kernel: inout RangeKernel, _ samples: borrowing RangeSamples,
    _ windows: [RangeWindow], _ grid: inout VectorGrid
  ) throws {
    var slider = RangeSlider()
    for step in windows.indices {
      if step & 4095 == 4095 { try spend(0) }
      slider.slide(over: samples, to: windows[step])
      guard !slider.isEmpty else { continue }
      let values = task.parameters.map { $0[step] }
      if task.function == .doubleExponentialSmoothing { try checkFactors(values) }
      let now = task.steps.time(step)
      if slider.histograms.isEmpty {
        let value = kernel.evaluateNumbers(samples, slider, windows[step], values, now: now)
        if let value { grid.set(row, step, value) }
        continue
      }
      let cell = kernel.evaluate(samples, slider, windows[step], values, now: now)
      if case .absent = cell { continue }
      grid.set(row, step, cell)
    }
  }

  /// Sets the cells of a row where the edges of windows follow a rule.
  private func fillRow(
    _ row: Int, _ task: RangeTask, _ rule: EdgeRule, _ kernel: inout RangeKernel, _ samples: borrowing RangeSamples,
    _ windows: [RangeWindow], _ grid: inout VectorGrid
  ) throws {
    var slider = EdgeSlider(rule, lookback: options.lookback)
    for step in windows.indices {
      if step & 4095 == 4095 { try spend(0) }
      slider.slide(over: samples, to: windows[step])
      guard !slider.around.isEmpty else { continue }
      let cell = kernel.evaluate(samples, slider, windows[step])
      if case .absent = cell { continue }
      grid.set(row, step, cell)
    }
  }

  private func checkParameters(_ call: Call, _ parameters: [[Double]]) {
    guard call.function == .quantileOverTime, let first = parameters.first else { return }
    if let bad = first.first(where: { $0.isNaN || $0 < 0 || $0 > 1 }) {
      warn("quantile value should be between 0 and 1, got \(Printer.number(bad))", at: call.arguments[0].span)
    }
  }

  private func checkFactors(_ factors: [Double]) throws {
    for (factor, name) in zip(factors, ["smoothing", "trend"]) where factor <= 0 || factor >= 1 {
      throw QueryError.execution("invalid \(name) factor. Expected: 0 < \(name.prefix(1))f < 1, got: \(factor)")
    }
  }

  func report(_ kernel: inout RangeKernel, _ names: MetricNames, _ hasValue: Bool, at span: SourceSpan) {
    for remark in kernel.takeRemarks() {
      let text = remark.text(metric: names.last)
      if remark.isWarning { warn(text, at: span) } else { inform(text, at: span) }
    }
    guard kernel.function == .rate || kernel.function == .increase, hasValue, kernel.sawNumbers, names.lastIsNoCounter
    else { return }
    inform(
      "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"\(names.last)\"", at: span)
  }

  /// One row with 1 at the steps where the grid has nothing, labelled by what the selector asks for.
  func absence(of grid: VectorGrid, argument: Expression, _ steps: Steps) -> VectorGrid {
    var result = VectorGrid(width: steps.count)
    let row = result.addRow(absentLabels(argument))
    for step in 0..<steps.count where !(0..<grid.count).contains(where: { grid.isPresent($0, step) }) {
      result.set(row, step, 1)
    }
    result.dropLastRowIfEmpty()
    return result
  }

  /// The labels that a selector fixes by equality: of several conditions on one label the first must, and the last be one.
  private func absentLabels(_ argument: Expression) -> LabelSet {
    let matchers: [MatcherSyntax]
    switch argument.withoutParentheses.node {
    case .selector(let selector): matchers = selector.alternatives.isEmpty ? selector.matchers : []
    case .events(let selector): matchers = selector.matchers
    default: return .empty
    }
    var labels: [String: String] = [:]
    var fixed: Set<String> = []
    for matcher in matchers where matcher.name != LabelSet.nameLabel {
      let isFirst = matcher.operation == .equal && fixed.insert(matcher.name).inserted
      labels[matcher.name] = isFirst ? matcher.value : nil
    }
    return LabelSet(labels.map { Label($0.key, $0.value) })
  }
}

extension Call {
  /// Whether a function over ranges leaves the metric's name where it is.
  var keepsNamesOverRange: Bool { keepsNames || function == .lastOverTime || function == .firstOverTime }
}

extension Function {
  /// Whether it matters to it when counts began.
  fileprivate var usesStarts: Bool {
    switch self {
    case .rate, .increase, .irate, .resets: true
    default: false
    }
  }

  /// What may stand for samples that are all in a window, or all out of it, without that its value changes in any bit; nil
  /// where each of them has a part in it.
  fileprivate var standIns: StandIns.Values? {
    switch self {
    case .maxOverTime: .greatest
    case .minOverTime: .least
    case .countOverTime, .presentOverTime, .lastOverTime, .firstOverTime, .rate, .increase, .delta: .ends
    default: nil
    }
  }

  /// Whether hints of what it reads are part of what it yields.
  fileprivate var tellsResetHints: Bool {
    switch self {
    case .sumOverTime, .avgOverTime, .lastOverTime, .firstOverTime: true
    default: false
    }
  }
}

/// The names of the metrics that a call meets, of which there is usually one.
struct MetricNames: Sendable {
  private var bytes: [UInt8]?
  /// Whether there was more than one.
  private(set) var areSeveral = false
  /// Whether there was a type or unit, which goes with the name.
  private(set) var hadType = false
  /// Whether series may be alike without what goes with the name.
  var mayMerge: Bool { areSeveral || hadType }
  /// Whether the last one lacks the endings that counters have.
  private(set) var lastIsNoCounter = false

  /// The one that was seen last; empty where a series has none.
  var last: String { String(decoding: bytes ?? [], as: UTF8.self) }

  /// No name yet.
  init() {}

  /// What another one told of itself: its last name, if there was one, and what it knows.
  init(last: [UInt8]?, areSeveral: Bool, hadType: Bool) {
    if let last { see(last[...]) }
    self.areSeveral = areSeveral
    self.hadType = hadType
  }

  /// The bytes of the one that was seen last; nil where there was none.
  var lastBytes: [UInt8]? { bytes }

  /// Notes the name of the next series.
  mutating func see(_ name: ArraySlice<UInt8>) {
    if let bytes, bytes.elementsEqual(name) { return }
    if bytes != nil { areSeveral = true }
    bytes = Array(name)
    lastIsNoCounter = !name.isEmpty && !Self.endings.contains { name.suffix($0.count).elementsEqual($0) }
  }

  /// Notes that a series had a type or unit.
  mutating func seeType() { hadType = true }

  /// Goes on with the names of more series.
  mutating func append(_ others: MetricNames) {
    guard let last = others.bytes else { return }
    see(last[...])
    if others.areSeveral { areSeveral = true }
    if others.hadType { hadType = true }
  }

  private static let endings = ["_total", "_sum", "_count", "_bucket"].map { Array($0.utf8) }
}
