import NeedletailQueryLanguage
import NeedletailTelemetry

// Selectors: which samples to ask the source for, and which of them each step sees.

extension Evaluation {
  /// The times that a selector looks back from, step by step: the step's own unless `@` fixes it, less the offset.
  func referenceTimes(_ shift: TimeShift, _ steps: Steps) -> [Int64] {
    let offset = shift.offset ?? 0
    let anchor: Int64? =
      switch shift.anchor {
      case .time(let time): time
      case .start: self.steps.start
      case .end: self.steps.end
      case nil: nil
      }
    return (0..<steps.count).map { (anchor ?? steps.time($0)) - offset }
  }

  /// With a sink the source may reduce some of the series for it, and not tell them; with a derivation it may tell what
  /// that makes of them.
  func select(
    _ selector: VectorSelector, span: SourceSpan, from start: Int64, to end: Int64, hints: SelectionHints,
    for sink: GroupSink? = nil, deriving derivation: SeriesDerivation? = nil
  ) async throws -> any SeriesCursor {
    guard selector.alternatives.isEmpty else {
      return try await selectAny(selector, span: span, from: start, to: end, hints: hints)
    }
    return try await select(
      try compiled(selector.allMatchers(span: span)), from: start, to: end, hints: hints, for: sink,
      deriving: derivation)
  }

  func compiled(_ matchers: [MatcherSyntax]) throws -> [LabelMatcher] {
    do {
      return try matchers.map { try LabelMatcher($0) }
    } catch {
      throw QueryError(.badData, "\(error)")
    }
  }

  func select(
    _ matchers: [LabelMatcher], from start: Int64, to end: Int64, hints: SelectionHints, for sink: GroupSink? = nil,
    deriving derivation: SeriesDerivation? = nil
  ) async throws -> any SeriesCursor {
    guard let range = TimeRange(startMilliseconds: start, endMilliseconds: end) else {
      throw QueryError(.internal, "a selection ends before it starts")
    }
    let limits = SelectionLimits(series: engine.limits.series, samples: engine.limits.samples)
    let began = now
    defer { statistics.findingNanoseconds += now - began }
    let selection = SeriesSelection(tenant: tenant, matchers: matchers, range: range, hints: hints, limits: limits)
    if let sink, let reduction = sink.reduction, let source = engine.series as? any ReducingSource {
      let found = try await source.select(selection, reducing: reduction)
      sink.parts = found.parts
      return found.rest
    }
    if let derivation, let source = engine.series as? any DerivingSource {
      return try await source.select(selection, deriving: derivation)
    }
    return try await engine.series.select(selection)
  }

  /// The next chunk of a cursor, counted.
  func nextChunk(_ cursor: any SeriesCursor, _ tally: SelectionTally) async throws -> SeriesColumns? {
    // Whoever waits for a thread gets it between two chunks: a query may have all of them.
    if tally.takesTurn() { await Task.yield() }
    let began = now
    guard let chunk = try await cursor.next() else {
      statistics.readingNanoseconds += now - began
      if options.statistics != .reading { statistics.work.add(cursor.work) }
      coverage.merge(cursor.coverage)
      return nil
    }
    statistics.readingNanoseconds += now - began
    statistics.hold(chunk: chunk.timestamps.count)
    statistics.seriesRead += chunk.count
    // What a source made of samples takes as much of the query's time and limits as if it had been made here.
    let samples = chunk.samplesRead
    statistics.samplesRead += samples
    try tally.add(series: chunk.count, samples: chunk.timestamps.count)
    try spend(samples)
    return chunk
  }

  /// For each step the newest sample within the lookback, unless that is a stale marker.
  ///
  /// With `.time` the value is the time of the sample in seconds, with `.timeOfNumber` only where that is no histogram, with
  /// `.start` when its count began, in seconds, 0 where nobody told.
  func instantSelector(
    _ selector: VectorSelector, span: SourceSpan, _ steps: Steps, hints: SelectionHints, yields: SelectorYield
  ) async throws -> VectorGrid {
    if selector.edges == .smoothed, yields == .sample {
      return try await smoothedSelector(selector, span: span, steps, hints: hints)
    }
    let opened = try await openInstant(selector, span: span, steps, hints: hints, yields: yields)
    return try await rows(of: opened, steps)
  }

  /// The series of an instant selector, found and not read yet.
  struct OpenedInstant {
    /// Nil where there is no step.
    fileprivate(set) var cursor: (any SeriesCursor)?
    fileprivate var times: [Int64] = []
    fileprivate var yields = SelectorYield.sample
    fileprivate var rule = ResetHintRule.notReset
  }

  func openInstant(
    _ selector: VectorSelector, span: SourceSpan, _ steps: Steps, hints: SelectionHints, yields: SelectorYield,
    for sink: GroupSink? = nil
  ) async throws -> OpenedInstant {
    let times = referenceTimes(selector.shift, steps)
    guard let first = times.first, let last = times.last else { return OpenedInstant() }
    var hints = hints
    hints.step = steps.count > 1 ? steps.interval : 0
    hints.takesHistogramBefore = yields == .sample
    let derivation = yields == .sample && sink?.reduction == nil ? derivation(of: selector, steps) : nil
    let cursor = try await select(
      selector, span: span, from: first - options.lookback + 1, to: last, hints: hints, for: sink,
      deriving: derivation)
    return OpenedInstant(cursor: cursor, times: times, yields: yields, rule: hintRule)
  }

  /// What each step sees of the series; with a sink all rows go there.
  func rows(of opened: OpenedInstant, _ steps: Steps, into sink: GroupSink? = nil) async throws -> VectorGrid {
    guard let cursor = opened.cursor else { return VectorGrid(width: steps.count) }
    let (times, yields, rule) = (opened.times, opened.yields, opened.rule)
    return try await inShares(of: cursor, width: times.count, into: sink) { evaluation, cursor, tally, portion in
      while let chunk = try await evaluation.nextChunk(cursor, tally) {
        try tally.reserve(rows: chunk.count, steps)
        let before = portion.grid.count
        let histograms = portion.grid.histograms.count
        evaluation.addNewest(of: chunk, at: times, yields: yields, rule, to: &portion.grid)
        try tally.reserve(portion.grid.histograms[histograms...])
        tally.giveBack(rows: chunk.count - (portion.grid.count - before), steps)
      }
      if evaluation.counts(steps) { portion.grid.count(into: &evaluation.statistics) }
    }.grid
  }

  /// Adds a row for each series of a chunk that has a value at one of the times.
  private func addNewest(
    of chunk: SeriesColumns, at times: [Int64], yields: SelectorYield, _ rule: ResetHintRule, to grid: inout VectorGrid
  ) {
    var histogram = 0
    for series in 0..<chunk.count {
      let row = grid.addRow(chunk.labels[series])
      if chunk.derivation(of: series) != nil {
        grid.set(row, derived: series, of: chunk, &histogram)
      } else {
        setNewest(row, of: chunk, series, &histogram, at: times, yields: yields, rule, &grid)
      }
      grid.dropLastRowIfEmpty()
    }
  }

  /// Sets the cells of a row; `histogram` walks the chunk's histograms along.
  private func setNewest(
    _ row: Int, of chunk: SeriesColumns, _ series: Int, _ histogram: inout Int, at times: [Int64],
    yields: SelectorYield, _ rule: ResetHintRule, _ grid: inout VectorGrid
  ) {
    let lookback = options.lookback
    var hinted = HintedHistogram()
    let (first, end) = (chunk.offsets[series], chunk.offsets[series + 1])
    var next = first
    var newestHistogram: Int?
    for step in 0..<times.count {
      let time = times[step]
      while next < end, chunk.timestamps[next] <= time {
        newestHistogram = nil
        if histogram < chunk.histogramIndexes.count, chunk.histogramIndexes[histogram] == next {
          newestHistogram = histogram
          histogram += 1
        }
        next += 1
      }
      guard next > first, chunk.timestamps[next - 1] > time - lookback else { continue }
      let index = next - 1
      if let newestHistogram {
        guard !chunk.histograms[newestHistogram].isStale else { continue }
        if yields == .time || yields == .start {
          grid.set(row, step, Self.seconds(chunk, index, yields))
        } else {
          let wanted = yields == .sample ? rule : nil
          grid.set(row, step, hinted.value(newestHistogram, of: chunk, from: first, wanted))
        }
      } else if !StaleMarker.matches(chunk.values[index]) {
        grid.set(row, step, yields == .sample ? chunk.values[index] : Self.seconds(chunk, index, yields))
      }
    }
    while histogram < chunk.histogramIndexes.count, chunk.histogramIndexes[histogram] < end { histogram += 1 }
  }

  /// The next chunk of what an instant selector sees at some steps, each series told as what is smaller; for somebody
  /// else's query.
  func nextDerived(_ opened: OpenedInstant, _ steps: Steps, _ tally: SelectionTally) async throws -> SeriesColumns? {
    guard let cursor = opened.cursor, let chunk = try await nextChunk(cursor, tally) else { return nil }
    var told = DerivedColumns(of: chunk)
    var grid = VectorGrid(width: steps.count)
    var histogram = 0
    for series in 0..<chunk.count {
      let samples = chunk.offsets[series]..<chunk.offsets[series + 1]
      let seen = steps.count(seeing: samples, of: chunk) {
        RangeWindow(start: opened.times[$0] - options.lookback, end: opened.times[$0])
      }
      while histogram < chunk.histogramIndexes.count, chunk.histogramIndexes[histogram] < samples.lowerBound {
        histogram += 1
      }
      guard told.mayPay(series, valueCount: seen) else { continue }
      grid.beginRow()
      setNewest(0, of: chunk, series, &histogram, at: opened.times, yields: opened.yields, opened.rule, &grid)
      try spend(0)
      told.add(series, grid)
    }
    return told.take()
  }

  /// When a sample was taken, or when its count began.
  @inline(never)
  private static func seconds(_ chunk: SeriesColumns, _ index: Int, _ yields: SelectorYield) -> Double {
    Double(yields == .start ? chunk.starts.start(of: index) : chunk.timestamps[index]) / 1000
  }

  /// Begins to read the series that a range expression finds.
  ///
  /// They come with what lies up to `before` milliseconds before the first range. Where stand-ins do, the source may give
  /// some in place of samples.
  func ranges(
    _ expression: Expression, _ steps: Steps, hints: SelectionHints, before: Int64 = 0,
    standIns: StandIns.Values? = nil, for sink: GroupSink? = nil, deriving derivation: SeriesDerivation? = nil
  ) async throws -> RangeReader {
    let expression = expression.withoutParentheses
    switch expression.node {
    case .selector(let selector):
      let range = selector.range ?? 0
      let windows = windows(selector.shift, range: range, steps)
      guard let first = windows.first, let last = windows.last else {
        return RangeReader(self, windows: windows, cursor: nil)
      }
      let margins = EdgeMargins(selector.edges, lookback: options.lookback)
      var hints = hints
      let before = max(before, margins.before)
      hints.range = range + before + margins.after
      hints.step = steps.count > 1 ? steps.interval : 0
      // Such a function is not one of what lies within the range alone.
      if selector.edges != nil { hints.function = nil }
      if let values = standIns, selector.edges == nil, before == 0 {
        hints.standIns = StandIns(
          values, after: first.start, through: first.end, interval: last.end - (windows.dropLast().last ?? last).end,
          count: windows.count)
      }
      let cursor = try await select(
        selector, span: expression.span, from: first.start - before + 1, to: last.end + margins.after,
        hints: hints, for: sink, deriving: derivation)
      return RangeReader(self, windows: windows, cursor: cursor)
    case .subquery(let subquery): return try await ranges(subquery, steps, before: before)
    default: throw QueryError(.internal, "expression is not a range vector")
    }
  }

  func windows(_ shift: TimeShift, range: Int64, _ steps: Steps) -> [RangeWindow] {
    referenceTimes(shift, steps).map { RangeWindow(start: $0 - range, end: $0) }
  }

  /// A subquery's steps are multiples of its resolution, whatever the steps of the query around it.
  private func ranges(_ subquery: Subquery, _ steps: Steps, before: Int64) async throws -> RangeReader {
    let windows = windows(subquery.shift, range: subquery.range, steps)
    let nothing = RangeReader(self, windows: windows, cursor: nil)
    guard let first = windows.first, let last = windows.last else { return nothing }
    let interval = max(1, subquery.resolution ?? options.subqueryResolution)
    let start = ((first.start - before).flooredQuotient(by: interval) + 1) * interval
    guard last.end >= start else { return nothing }
    // Windows, rows and times of so many steps take some tens of bytes each.
    guard (last.end - start) / interval < Int64(max(1, engine.limits.samples / 10)) else {
      throw QueryError.execution("a subquery has more than \(max(1, engine.limits.samples / 10)) steps")
    }
    let inner = Steps(start: start, end: last.end, interval: interval)
    let rule = hintRule
    hintRule = .notReset
    defer { hintRule = rule }
    guard subquery.expression.type == .scalar else {
      let grid = try await vector(subquery.expression, inner)
      return RangeReader(self, windows: windows, grid: grid, steps: inner)
    }
    let values = try await scalar(subquery.expression, inner)
    try spend(values.count)
    var grid = VectorGrid(width: inner.count)
    let row = grid.addRow(.empty)
    for step in values.indices { grid.set(row, step, values[step]) }
    return RangeReader(self, windows: windows, grid: grid, steps: inner)
  }
}

/// The histogram that an instant selector found last: many steps may see the same.
private struct HintedHistogram {
  private var found: (number: Int, value: NativeHistogram)?

  /// A histogram of a chunk by its number, of a series whose samples begin at an index; with the hint that a rule gives it.
  @inline(never)
  mutating func value(
    _ number: Int, of chunk: SeriesColumns, from start: Int, _ rule: ResetHintRule?
  ) -> NativeHistogram {
    guard let rule else { return chunk.histograms[number] }
    if let found, found.number == number { return found.value }
    let value = chunk.histogram(number, ofSeriesFrom: start, rule)
    found = (number, value)
    return value
  }
}

/// What becomes of the samples that an instant selector finds.
enum SelectorYield: Sendable {
  /// Themselves.
  case sample
  /// Their times.
  case time
  /// When their counts began.
  case start
  /// The times of numbers, histograms themselves.
  case timeOfNumber
}

extension Int64 {
  /// The quotient rounded down.
  ///
  /// The divisor must be positive.
  func flooredQuotient(by divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
