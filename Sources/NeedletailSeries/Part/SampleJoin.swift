import NeedletailBlocks
import NeedletailTelemetry

/// Joins the runs of one series out of several parts to the runs of a new one.
///
/// Runs are walked in the order of time with one of each part in memory. Where samples of several parts stand at one
/// time, `SampleRule` settles them. A run that is long enough and lies in nobody's way is passed on without being
/// decoded.
struct SampleJoin {
  private struct Source {
    var input: Int
    var runs: PartScan.Runs
    var run: SampleScan.Run
    /// Empty until they are needed.
    var values: [Double] = []
    var position = 0

    var time: Int64 { run.times[position] }
  }

  /// The series that is joined.
  private var id = SeriesID(Hash128(high: 0, low: 0))
  private var sources: [Source] = []
  private var times: [Int64] = []
  private var values: [Double] = []
  /// When the counts of what waits began.
  private var starts = StartMarks()

  /// Writes the samples of the current series of some inputs to the builder, and takes those that it does not write out
  /// of its digests.
  mutating func join(
    _ members: [Int], of inputs: inout [MergeInput], _ id: SeriesID, to builder: SeriesPartBuilder
  ) throws(SeriesMaintenanceError) {
    sources.removeAll(keepingCapacity: true)
    self.id = id
    for input in members {
      var runs = inputs[input].sampleRuns
      guard let source = try next(&runs, of: input, &inputs, builder) else { continue }
      sources.append(source)
    }
    while let (first, bound) = earliest() {
      if Task.isCancelled { throw .cancelled }
      if let bound, sources[first].time == bound {
        try settle(at: bound, &inputs, builder)
      } else if try !passOn(first, before: bound, &inputs, builder) {
        try take(first, before: bound, &inputs, builder)
      }
      if times.count >= 2 * SampleRun.countMax { try write(SampleRun.countMax, to: builder) }
    }
    try write(times.count, to: builder)
  }

  /// The next run of an input of which anything is left, without what is deleted.
  private func next(
    _ runs: inout PartScan.Runs, of input: Int, _ inputs: inout [MergeInput], _ builder: SeriesPartBuilder
  ) throws(SeriesMaintenanceError) -> Source? {
    do throws(SeriesDamage) {
      let deleted = inputs[input].deleted
      while var run = try inputs[input].samples.next(&runs) {
        guard deleted.overlaps(run.times[0], run.times[run.times.count - 1]) else {
          return Source(input: input, runs: runs, run: run)
        }
        let kept = run.times.indices.filter { !deleted.contains(run.times[$0]) }
        if kept.count == run.times.count { return Source(input: input, runs: runs, run: run) }
        var values: [Double] = []
        try inputs[input].samples.decode(run, into: &values)
        for (index, time) in run.times.enumerated() where deleted.contains(time) {
          let bits = values[index].bitPattern
          builder.digests.remove(.sample(id, time, bits, start: run.starts.start(of: index)), of: id, at: time)
        }
        if kept.isEmpty { continue }
        run.times = kept.map { run.times[$0] }
        let told = run.starts
        run.starts = StartMarks()
        for (index, one) in kept.enumerated() where !told.isEmpty {
          run.starts.append(told.start(of: one), from: index)
        }
        return Source(input: input, runs: runs, run: run, values: kept.map { values[$0] })
      }
      return nil
    } catch { throw .damage(error) }
  }

  /// The source with the earliest sample, and the earliest time of the others.
  private func earliest() -> (first: Int, bound: Int64?)? {
    guard !sources.isEmpty else { return nil }
    var first = 0
    var bound: Int64?
    for index in 1..<max(1, sources.count) {
      let time = sources[index].time
      if time < sources[first].time {
        bound = sources[first].time
        first = index
      } else {
        bound = min(bound ?? time, time)
      }
    }
    return (first, bound)
  }

  /// Writes a whole run as it is, where that is possible and worth it.
  private mutating func passOn(
    _ index: Int, before bound: Int64?, _ inputs: inout [MergeInput], _ builder: SeriesPartBuilder
  ) throws(SeriesMaintenanceError) -> Bool {
    let source = sources[index]
    let all = source.run.times
    // A run that is decoded already may be without some of its samples.
    guard source.position == 0, source.values.isEmpty, all.count >= SampleRun.countMin,
      bound.map({ all[all.count - 1] < $0 }) ?? true,
      // What waits is written as runs of its own then, which must not be short.
      times.isEmpty || times.count >= SampleRun.countMin
    else { return false }
    try write(times.count, to: builder)
    let summary: RunSummary?
    do throws(SeriesDamage) {
      summary = try inputs[source.input].summary(of: source.run)
    } catch { throw .damage(error) }
    try SeriesMaintenanceError.wrapping { () throws(BlockError) in
      let column = try inputs[source.input].timeColumn(of: source.run, in: builder)
      try inputs[source.input].samples.withValueBytes(of: source.run) { (bytes) throws(BlockError) in
        try builder.appendEncoded(
          bytes, timeColumn: column, first: all[0], last: all[all.count - 1], count: all.count,
          starts: source.run.starts, summary: summary)
      }
    }
    try advance(index, by: all.count, &inputs, builder)
    return true
  }

  /// Takes the samples of a source that are earlier than those of the others.
  private mutating func take(
    _ index: Int, before bound: Int64?, _ inputs: inout [MergeInput], _ builder: SeriesPartBuilder
  ) throws(SeriesMaintenanceError) {
    try decode(index, &inputs)
    let start = sources[index].position
    let all = sources[index].run.times
    let end = bound.map { all.firstIndex(notBefore: $0, in: start..<all.count) } ?? all.count
    starts.append(sources[index].run.starts, start..<end, at: times.count)
    times.append(contentsOf: all[start..<end])
    values.append(contentsOf: sources[index].values[start..<end])
    try advance(index, by: end - start, &inputs, builder)
  }

  /// Settles the samples of all sources at their earliest time.
  private mutating func settle(
    at time: Int64, _ inputs: inout [MergeInput], _ builder: SeriesPartBuilder
  ) throws(SeriesMaintenanceError) {
    var winner: UInt64?
    var start: Int64 = 0
    // From behind, because a source that has ended is removed.
    for index in sources.indices.reversed() where sources[index].time == time {
      try decode(index, &inputs)
      let bits = sources[index].values[sources[index].position].bitPattern
      let own = sources[index].run.starts.start(of: sources[index].position)
      builder.digests.remove(.sample(id, time, bits, start: own), of: id, at: time)
      start = winner.map { SampleRule.start(($0, start), (bits, own)) } ?? own
      winner = winner.map { SampleRule.winner($0, bits) } ?? bits
      try advance(index, by: 1, &inputs, builder)
    }
    guard let winner else { return }
    builder.digests.add(.sample(id, time, winner, start: start), of: id, at: time)
    starts.append(start, from: times.count)
    times.append(time)
    values.append(Double(bitPattern: winner))
  }

  private mutating func decode(_ index: Int, _ inputs: inout [MergeInput]) throws(SeriesMaintenanceError) {
    guard sources[index].values.isEmpty else { return }
    let input = sources[index].input
    let run = sources[index].run
    var decoded: [Double] = []
    do throws(SeriesDamage) { try inputs[input].samples.decode(run, into: &decoded) } catch { throw .damage(error) }
    sources[index].values = decoded
  }

  private mutating func advance(
    _ index: Int, by count: Int, _ inputs: inout [MergeInput], _ builder: SeriesPartBuilder
  ) throws(SeriesMaintenanceError) {
    sources[index].position += count
    let source = sources[index]
    guard source.position == source.run.times.count else { return }
    let last = source.run.times[source.position - 1]
    var runs = source.runs
    guard let next = try next(&runs, of: source.input, &inputs, builder) else {
      sources.remove(at: index)
      return
    }
    guard next.time > last else {
      throw .damage(inputs[source.input].part.damage("runs overlap in time", kind: PartBlockKind.samples))
    }
    sources[index] = next
  }

  /// Writes the first samples that wait.
  private mutating func write(_ count: Int, to builder: SeriesPartBuilder) throws(SeriesMaintenanceError) {
    guard count > 0 else { return }
    var problem: BlockError?
    times.withUnsafeBufferPointer { times in
      values.withUnsafeBufferPointer { values in
        do throws(BlockError) {
          try builder.append(
            UnsafeBufferPointer(rebasing: times[..<count]), UnsafeBufferPointer(rebasing: values[..<count]),
            starts: starts.piece(0..<count))
        } catch { problem = error }
      }
    }
    if let problem { throw .block(problem) }
    starts.removeFirst(count, of: times.count)
    times.removeFirst(count)
    values.removeFirst(count)
  }
}
