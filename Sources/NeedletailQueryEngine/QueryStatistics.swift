import NeedletailTelemetry

/// What a query took.
///
/// Nothing here is counted sample by sample: what is not asked for costs a look for each chunk that is read.
package struct QueryStatistics: Sendable, Hashable {
  /// How much of it is counted.
  package enum Detail: Sendable, Hashable {
    /// What is read.
    case reading
    /// Also the time, and what the steps look at.
    case totals
    /// Also what each step looks at; none is taken from those that are kept.
    case perStep
  }

  /// Samples and events read from the sources.
  package var samplesRead = 0
  /// Series and streams read from the sources.
  package var seriesRead = 0
  /// Steps that were not worked out, because they were kept.
  package var stepsKept = 0
  /// What the sources did for it.
  package var work = SelectionWork()
  /// Samples that the steps looked at, as Prometheus counts them: one that several steps look at as often.
  package var queryableSamples = 0
  /// The same by step; empty unless it was asked for.
  package var queryableSamplesOfSteps: [Int] = []
  /// The most samples and values held at once, about: the largest chunk beside the largest result of a part.
  package var peakSamples: Int { chunkMax + gridMax }
  /// Nanoseconds of finding series and of reading them, summed over the tasks that did; 0 unless asked for.
  package var findingNanoseconds: Int64 = 0
  package var readingNanoseconds: Int64 = 0
  /// Nanoseconds from the beginning to the end of the evaluation, and of putting the answer together.
  package var evaluationNanoseconds: Int64 = 0
  package var answerNanoseconds: Int64 = 0

  private var chunkMax = 0
  private var gridMax = 0

  package init() {}

  /// Takes note of a chunk that is held.
  mutating func hold(chunk samples: Int) { chunkMax = max(chunkMax, samples) }

  /// Takes note of the values that a part of the query came to.
  mutating func hold(grid values: Int) { gridMax = max(gridMax, values) }

  /// Counts what a step looks at.
  mutating func count(_ samples: Int, atStep step: Int) {
    queryableSamples += samples
    if queryableSamplesOfSteps.indices.contains(step) { queryableSamplesOfSteps[step] += samples }
  }

  /// Adds what a part of the query took.
  mutating func add(_ other: QueryStatistics) {
    samplesRead += other.samplesRead
    seriesRead += other.seriesRead
    stepsKept += other.stepsKept
    work.add(other.work)
    queryableSamples += other.queryableSamples
    for (step, count) in other.queryableSamplesOfSteps.enumerated() where step < queryableSamplesOfSteps.count {
      queryableSamplesOfSteps[step] += count
    }
    findingNanoseconds += other.findingNanoseconds
    readingNanoseconds += other.readingNanoseconds
    chunkMax += other.chunkMax
    gridMax = max(gridMax, other.gridMax)
  }
}

extension NativeHistogram {
  /// How many samples it counts for, as Prometheus weighs one: its bytes in memory there, 16 a sample.
  var sampleWeight: Int {
    let entries = positiveSpans.count + negativeSpans.count + positiveBuckets.count + negativeBuckets.count
    return (168 + (entries + customBounds.count) * 8 + 8) / 16
  }
}

extension VectorGrid {
  /// Adds what each step has a value of to what the steps looked at.
  func count(into statistics: inout QueryStatistics) {
    guard width > 0 else { return }
    var steps = [Int](repeating: 0, count: width)
    for (cell, mark) in marks.enumerated() where mark != Self.absent {
      steps[cell % width] += mark == Self.number ? 1 : histograms[Int(mark)].sampleWeight
    }
    for (step, count) in steps.enumerated() where count > 0 { statistics.count(count, atStep: step) }
  }
}

extension RangeSamples {
  /// Adds what each window has of the series to what the steps looked at.
  func count(_ windows: [RangeWindow], into statistics: inout QueryStatistics) {
    var slider = RangeSlider()
    for (step, window) in windows.enumerated() {
      slider.slide(over: self, to: window)
      let weight = slider.histograms.reduce(0) { $0 + histograms[$1].sampleWeight }
      statistics.count(slider.numbers.count + weight, atStep: step)
    }
  }
}
