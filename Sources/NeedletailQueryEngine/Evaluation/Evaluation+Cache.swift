import NeedletailQueryLanguage

// A range query's steps that were finished before are taken from the cache where the source tells that nothing has changed
// of what they look at. The others, at either end, are evaluated as if they had been asked for alone, which is right for
// expressions whose value at a step does not hang on the other steps (`StepReach` tells which).

extension Evaluation {
  /// What `finishedVector` gives for all steps of the query.
  func cachedVector(_ expression: Expression) async throws -> VectorGrid {
    guard let cache = engine.cache, options.usesCache, options.statistics != .perStep, steps.count > 1,
      let reach = StepReach(expression, options),
      let mark = engine.series.changeMark
    else { return try await finishedVector(expression, steps) }
    let key = StepCache.Key(
      tenant: tenant, text: Array(text.utf8), interval: steps.interval,
      phase: steps.start - steps.start.flooredQuotient(by: steps.interval) * steps.interval,
      lookback: options.lookback, subqueryResolution: options.subqueryResolution, features: engine.features)
    let known = cache.find(key)
    let kept = known.flatMap { known in
      known.unchanged(
        engine.series.changedTimes(since: known.mark, within: reach.times(known.steps)), reach, for: steps)
    }
    cache.count(isHit: kept != nil)
    guard let known, let kept else {
      let grid = try await finishedVector(expression, steps)
      keep(FinishedSteps(steps: steps, grid: grid, mark: mark), key, in: cache)
      return grid
    }
    statistics.stepsKept = kept.count
    let missing = [steps.before(kept.start), steps.after(kept.end)].filter { $0.count > 0 }
    let union = missing.isEmpty ? steps : union(kept, of: known, upTo: cache.entryBytesMax)
    var all = GridPatchwork(union)
    try all.add(known.grid, known.steps, within: kept, for: self)
    for steps in missing { try all.add(try await finishedVector(expression, steps), steps, for: self) }
    try spend(all.grid.count * steps.count)
    // What was there as a whole stays as it is.
    if missing.isEmpty { return all.grid }
    let finished = FinishedSteps(steps: union, grid: all.grid, mark: mark)
    guard union != steps else {
      keep(finished, key, in: cache)
      return all.grid
    }
    var wanted = GridPatchwork(steps)
    try wanted.add(all.grid, union, for: self)
    let fits = finished.byteCount <= cache.entryBytesMax
    keep(fits ? finished : FinishedSteps(steps: steps, grid: wanted.grid, mark: mark), key, in: cache)
    return wanted.grid
  }

  /// The query's steps and those that are kept, as long as all of them find room; otherwise the query's with at most as many
  /// beside them on either side.
  private func union(_ kept: Steps, of known: FinishedSteps, upTo bytes: Int) -> Steps {
    let all = Steps(start: min(steps.start, kept.start), end: max(steps.end, kept.end), interval: steps.interval)
    let cellBytes = MemoryLayout<Double>.stride + MemoryLayout<Int32>.stride
    // Arrays that grow may be twice as large as what is in them.
    let (cells, isTooMany) = all.count.multipliedReportingOverflow(by: known.grid.count)
    if !isTooMany, cells <= bytes / 2 / cellBytes { return all }
    let more = Int64(steps.count) * steps.interval
    return Steps(
      start: max(all.start, steps.start - more), end: min(all.end, steps.end + more), interval: steps.interval)
  }

  /// Keeps what needs nothing said about it.
  private func keep(_ finished: FinishedSteps, _ key: StepCache.Key, in cache: StepCache) {
    guard annotations.isEmpty, coverage.isComplete, finished.grid.histograms.isEmpty, !finished.grid.isOrdered else {
      return
    }
    cache.keep(finished, key)
  }
}
