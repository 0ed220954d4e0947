import NeedletailQueryLanguage
import NeedletailTelemetry

// Functions over windows whose edges have values of their own: nothing is extrapolated, a difference is that of the edges.

extension RangeKernel {
  private var isCounter: Bool { function != .delta }

  /// The value over the window that the slider stands on.
  mutating func evaluate(
    _ samples: borrowing RangeSamples, _ slider: EdgeSlider, _ window: RangeWindow
  ) -> VectorGrid.Cell {
    if function == .changes || function == .resets {
      let anchored = slider.anchored(samples)
      return anchored.isEmpty ? .absent : evaluate(samples, anchored, window, [], now: window.end)
    }
    let (inside, around) = (slider.inside, slider.around)
    let seconds = Double(window.end - window.start) / 1000
    guard !around.histograms.isEmpty else {
      guard let edges = RangeEdges(samples.times, inside: inside.numbers, around: around.numbers, window, slider.rule)
      else { return .absent }
      sawNumbers = true
      let difference = difference(samples, edges)
      return .number(function == .rate ? difference / seconds : difference)
    }
    guard around.numbers.isEmpty else {
      warn("encountered a mix of histograms and floats")
      return .absent
    }
    let edges = RangeEdges(
      samples.histogramTimes, inside: inside.histograms, around: around.histograms, window, slider.rule)
    guard let edges, var result = difference(samples.histograms, edges) else { return .absent }
    if function == .rate { result = result.divided(by: seconds) }
    result.resetHint = .gauge
    return .histogram(result.compacted)
  }

  /// From edge to edge; what a counter lost in between is added.
  private func difference(_ samples: borrowing RangeSamples, _ edges: RangeEdges) -> Double {
    let start = edges.start(samples.values, isCounter: isCounter)
    let end = edges.end(samples.values, isCounter: isCounter)
    var difference = end - start
    guard isCounter else { return difference }
    let between = edges.between
    guard let first = between.first, let last = between.last else {
      return end < start ? difference + start : difference
    }
    if samples.values[first] < start { difference += start }
    difference = samples.makingGood(difference, in: between)
    if end < samples.values[last] { difference += samples.values[last] }
    return difference
  }

  /// The same of histograms; nil where they do not go together.
  private mutating func difference(_ values: [NativeHistogram], _ edges: RangeEdges) -> NativeHistogram? {
    let seen = values[edges.first...edges.last]
    guard seen.allSatisfy({ $0.usesCustomBuckets == values[edges.first].usesCustomBuckets }) else {
      warn("vector contains a mix of histograms with exponential and custom buckets schemas")
      return nil
    }
    if isCounter, seen.contains(where: { $0.resetHint == .gauge }) {
      warn("this native histogram metric is not a counter", .appended)
    }
    guard let start = take(edges.start(values, isCounter: isCounter), during: .addition),
      let end = take(edges.end(values, isCounter: isCounter), during: .addition),
      let difference = take(end.adding(start, factor: -1), during: .subtraction)
    else { return nil }
    guard isCounter else {
      if start.resetHint != .gauge || end.resetHint != .gauge {
        warn("this native histogram metric is not a gauge", .appended)
      }
      return difference
    }
    return makingGood(difference, values, edges, from: start, to: end)
  }

  /// A counter's difference with what it lost in resets from edge to edge added.
  private mutating func makingGood(
    _ difference: NativeHistogram, _ values: [NativeHistogram], _ edges: RangeEdges, from start: NativeHistogram,
    to end: NativeHistogram
  ) -> NativeHistogram? {
    var result = difference
    var previous = start
    var next = edges.first + 1
    if edges.startShare != nil, values[next].isReset(after: values[edges.first]) {
      // The start lies between the two sides of this reset, and already counts from zero.
      previous = values[next]
      next += 1
    }
    while next <= edges.last {
      let value = next == edges.last ? end : values[next]
      if value.isReset(after: previous) {
        guard let sum = take(result.adding(previous), during: .addition) else { return nil }
        result = sum
      }
      previous = value
      next += 1
    }
    return result
  }
}
