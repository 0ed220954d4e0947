import NeedletailQueryLanguage
import NeedletailTelemetry

// Logs and spans. A range of events becomes ranges of samples, one series per stream: each event is a sample whose value
// is the unwrapped number, or the bytes of the line, or 1. From there on it is a range like any other, but for `rate`,
// which here is what it says (events per second) and not the slope of a counter.

extension Evaluation {
  /// The events themselves.
  func events(_ expression: Expression) async throws -> QueryValue {
    guard case .events(let selector) = expression.withoutParentheses.node else {
      throw QueryError(.internal, "expression selects no events")
    }
    let offset = selector.shift.offset ?? 0
    guard selector.shift.anchor == nil else {
      throw unsupported("@ on events without a range", at: expression.span)
    }
    guard let times = try eventTimes(before: offset) else {
      return selector.signal == .logs ? .logs(EventColumns()) : .spans(EventColumns())
    }
    var selection = try self.selection(selector, in: times)
    guard selection.unwrap == nil else {
      throw QueryError(.badData, "unwrap needs a range and a function around it, such as sum_over_time(... [5m])")
    }
    selection.limit = options.eventLimit
    selection.order = options.eventOrder
    let source = try eventSource()
    switch selector.signal {
    case .logs: return .logs(try await collect(try await source.selectLogs(selection), limit: selection.limit))
    case .spans: return .spans(try await collect(try await source.selectSpans(selection), limit: selection.limit))
    }
  }

  /// The times of the events that the query returns, `offset` ms earlier; nil where these are none at all.
  private func eventTimes(before offset: Int64) throws -> EventTimeRange? {
    guard let times = options.eventTimes else {
      return try Self.nanoseconds(from: steps.start - offset, to: steps.end - offset)
    }
    guard !times.isEmpty else { return nil }
    let shift = Self.nanoseconds(offset)
    func shifted(_ time: Int64) -> Int64 {
      let (result, overflow) = time.subtractingReportingOverflow(shift)
      return overflow ? (shift < 0 ? .max : .min) : result
    }
    return EventTimeRange(
      startNanoseconds: shifted(times.lowerBound), endNanoseconds: shifted(times.upperBound - 1))
  }

  private static func nanoseconds(_ milliseconds: Int64) -> Int64 {
    let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
    return overflow ? (milliseconds < 0 ? .min : .max) : product
  }

  private static func nanoseconds(from start: Int64, to end: Int64) throws -> EventTimeRange {
    let range = EventTimeRange(startNanoseconds: nanoseconds(start), endNanoseconds: nanoseconds(end))
    guard let range else { throw QueryError(.internal, "a selection ends before it starts") }
    return range
  }

  private func eventSource() throws -> any EventSource {
    guard let source = engine.events else { throw QueryError(.execution, "there are no logs and spans here") }
    return source
  }

  private func collect<Record: Sendable>(
    _ cursor: any EventCursor<Record>, limit: Int
  ) async throws -> EventColumns<Record> {
    var result = EventColumns<Record>()
    var known: [LabelSet: Int] = [:]
    while result.count < limit, let chunk = try await cursor.next() {
      try count(chunk)
      let (bytes, overflow) = result.recordBytes.addingReportingOverflow(chunk.recordBytes)
      guard !overflow, bytes <= engine.limits.eventBytes else {
        throw QueryError.execution(
          "query processing would load too many bytes of events into memory in query execution "
            + "(limit \(engine.limits.eventBytes)): ask for fewer events or a shorter range of time")
      }
      result.recordBytes = bytes
      var indexes: [Int] = []
      for (position, labels) in chunk.streams.enumerated() {
        let index = known[labels] ?? result.streams.count
        if known.updateValue(index, forKey: labels) == nil {
          result.streams.append(labels)
          if position < chunk.origins.count { result.origins.append(chunk.origins[position]) }
        }
        indexes.append(index)
      }
      let wanted = min(chunk.count, limit - result.count)
      result.streamIndexes += chunk.streamIndexes.prefix(wanted).map { indexes[$0] }
      result.timestamps += chunk.timestamps.prefix(wanted)
      result.sizes += chunk.sizes.prefix(wanted)
      result.values += chunk.values.prefix(wanted)
      result.records += chunk.records.prefix(wanted)
    }
    coverage.merge(cursor.coverage)
    return result
  }

  private func count<Record: Sendable>(_ chunk: EventColumns<Record>) throws {
    statistics.samplesRead += chunk.count
    try spend(chunk.count)
  }

  // MARK: Selections

  private func selection(_ selector: EventSelector, in range: EventTimeRange) throws -> EventSelection {
    var selection = EventSelection(tenant: tenant, matchers: [], range: range)
    do {
      selection.matchers = try selector.matchers.map { try LabelMatcher($0) }
      for stage in selector.pipeline { try apply(stage, to: &selection) }
    } catch let error as RegularExpressionError {
      throw QueryError(.badData, "\(error)")
    }
    return selection
  }

  private func apply(_ stage: PipelineStage, to selection: inout EventSelection) throws {
    guard selection.unwrap == nil else {
      guard case .field = stage.node else {
        throw QueryError(.badData, "only conditions on fields may follow unwrap")
      }
      return selection.fieldFilters.append(try filter(stage))
    }
    switch stage.node {
    case .line(let operation, let texts):
      guard let operation = LineFilter.Operation(rawValue: operation.rawValue) else { return }
      selection.lineFilters.append(try LineFilter(operation, texts))
    case .field: selection.fieldFilters.append(try filter(stage))
    case .unwrap(let field, let conversion):
      guard conversion == nil || conversion == "duration" || conversion == "duration_seconds" else {
        throw unsupported("unwrap \(conversion ?? "")(...)", at: stage.span)
      }
      selection.unwrap = field
    case .parser(let parser, _): throw unsupported("| \(parser.rawValue)", at: stage.span)
    case .textParser(let parser, _): throw unsupported("| \(parser.rawValue)", at: stage.span)
    case .lineFormat: throw unsupported("| line_format", at: stage.span)
    case .labelFormat: throw unsupported("| label_format", at: stage.span)
    case .select(let selection, _): throw unsupported("| \(selection.rawValue)", at: stage.span)
    case .plain(let plain): throw unsupported("| \(plain.rawValue)", at: stage.span)
    }
  }

  private func filter(_ stage: PipelineStage) throws -> FieldFilter {
    guard case .field(let condition) = stage.node else { throw unsupported("this stage", at: stage.span) }
    return try filter(condition)
  }

  private func filter(_ condition: FieldCondition) throws -> FieldFilter {
    switch condition {
    case .matches(let matcher): return .matches(try LabelMatcher(matcher))
    case .compares(let field, let operation, let quantity):
      guard let comparison = FieldFilter.Comparison(rawValue: operation.rawValue) else {
        throw QueryError(.internal, "\(operation.rawValue) does not compare")
      }
      return .compares(field: field, comparison, quantity.value)
    case .and(let left, let right): return .and(try filter(left), try filter(right))
    case .or(let left, let right): return .or(try filter(left), try filter(right))
    }
  }

  // MARK: Ranges of events

  /// Evaluates a function over a range of events; its series are told apart by `fields` of the events too.
  func eventCall(
    _ call: Call, _ argument: Expression, _ steps: Steps, fields: [String] = []
  ) async throws -> VectorGrid {
    guard case .events(let selector) = argument.withoutParentheses.node, let range = selector.range else {
      throw QueryError(.internal, "expression is not a range of events")
    }
    var parameters: [[Double]] = []
    for other in call.arguments where other.type == .scalar { parameters.append(try await scalar(other, steps)) }
    let windows = windows(selector.shift, range: range, steps)
    guard let first = windows.first, let last = windows.last else { return VectorGrid(width: 0) }
    var selection = try self.selection(selector, in: Self.nanoseconds(from: first.start, to: last.end))
    selection.wantsRecords = false
    if let grouping = call.grouping {
      if !grouping.isWithout { selection.groupingFields = grouping.labels }
    } else if !fields.isEmpty {
      selection.groupingFields = fields
    }
    let kind = try sampleKind(call.function, unwraps: selection.unwrap != nil, at: argument.span)
    let source = try eventSource()
    var series: [LabelSet: RangeSamples] = [:]
    let projection = call.grouping.map {
      $0.isWithout ? LabelProjection(dropping: $0.labels) : LabelProjection(keeping: $0.labels)
    }
    switch selector.signal {
    case .logs: try await load(try await source.selectLogs(selection), kind, projection, into: &series)
    case .spans: try await load(try await source.selectSpans(selection), kind, projection, into: &series)
    }
    let grid = try evaluate(kind, over: series, windows, range: range, parameters, steps)
    return call.function == .absentOverTime ? absence(of: grid, argument: argument, steps) : grid
  }

  private func evaluate(
    _ kind: SampleKind, over series: [LabelSet: RangeSamples], _ windows: [RangeWindow], range: Int64,
    _ parameters: [[Double]], _ steps: Steps
  ) throws -> VectorGrid {
    var grid = VectorGrid(width: steps.count)
    try reserve(rows: series.count, steps)
    var kernel = RangeKernel(function: kind.kernel)
    let labels = Array(series.keys)
    for index in RowOrder.labels(labels).sorted(Array(labels.indices)) {
      guard let samples = series[labels[index]] else { continue }
      let row = grid.addRow(labels[index])
      var slider = RangeSlider()
      for step in windows.indices {
        slider.slide(over: samples, to: windows[step])
        guard !slider.isEmpty else { continue }
        let values = parameters.map { $0[step] }
        var cell = kernel.evaluate(samples, slider, windows[step], values, now: steps.time(step))
        if kind.isRate, case .number(let value) = cell { cell = .number(value / (Double(range) / 1000)) }
        grid.set(row, step, cell)
      }
      grid.dropLastRowIfEmpty()
      try spend(0)
    }
    return grid
  }

  /// How a function over events is carried out over samples.
  private struct SampleKind {
    enum Value { case one, size, unwrapped }
    var value: Value
    var kernel: Function
    var isRate = false
  }

  private func sampleKind(_ function: Function, unwraps: Bool, at span: SourceSpan) throws -> SampleKind {
    let value: SampleKind.Value = unwraps ? .unwrapped : .one
    switch function {
    case .rate: return SampleKind(value: value, kernel: .sumOverTime, isRate: true)
    case .bytesRate: return SampleKind(value: .size, kernel: .sumOverTime, isRate: true)
    case .bytesOverTime: return SampleKind(value: .size, kernel: .sumOverTime)
    case .countOverTime, .absentOverTime, .presentOverTime: return SampleKind(value: .one, kernel: function)
    default:
      guard unwraps else {
        throw QueryError(
          .badData, "\(function.rawValue) over events needs a number: add | unwrap field before the range")
      }
      return SampleKind(value: .unwrapped, kernel: function)
    }
  }

  private func load<Record: Sendable>(
    _ cursor: any EventCursor<Record>, _ kind: SampleKind, _ projection: LabelProjection?,
    into series: inout [LabelSet: RangeSamples]
  ) async throws {
    while let chunk = try await cursor.next() {
      try count(chunk)
      let labels = chunk.streams.map { projection?.apply($0) ?? $0 }
      for index in 0..<chunk.count {
        let value: Double
        switch kind.value {
        case .one: value = 1
        case .size: value = index < chunk.sizes.count ? Double(chunk.sizes[index]) : 0
        case .unwrapped: value = index < chunk.values.count ? chunk.values[index] : .nan
        }
        if kind.value == .unwrapped, value.isNaN { continue }
        // Rounded up, so that an event is in the window that ends at or after it, never in an earlier one.
        let nanoseconds = chunk.timestamps[index]
        let milliseconds = -((0 &- nanoseconds).flooredQuotient(by: 1_000_000))
        series[labels[chunk.streamIndexes[index]], default: RangeSamples()].append(milliseconds, value)
      }
      guard series.count <= engine.limits.series else {
        throw QueryError.execution("the query selects more than \(engine.limits.series) streams")
      }
    }
    coverage.merge(cursor.coverage)
  }
}

extension RangeSamples {
  /// Adds a sample, which comes in order but for those that several chunks interleave.
  mutating func append(_ time: Int64, _ value: Double) {
    var position = times.count
    while position > 0, times[position - 1] > time { position -= 1 }
    times.insert(time, at: position)
    values.insert(value, at: position)
  }
}
