import NeedletailQueryLanguage

// A range query's steps that were finished before are taken from the cache where the source tells that nothing has changed
// of what they look at. The others, at either end, are evaluated as if they had been asked for alone, which is right for
// expressions whose value at a step does not hang on the other steps (`StepReach` tells which).

extension Evaluation {
  /// What `vector` gives for all steps of the query.
  func cachedVector(_ expression: Expression) async throws -> VectorGrid {
    guard let cache = engine.cache, options.usesCache, steps.count > 1, let reach = StepReach(expression, options),
      let mark = engine.series.changeMark
    else { return try await vector(expression, steps) }
    let key = StepCache.Key(
      tenant: tenant, text: text, interval: steps.interval,
      phase: steps.start - steps.start.flooredQuotient(by: steps.interval) * steps.interval,
      lookback: options.lookback, subqueryResolution: options.subqueryResolution)
    let known = cache.find(key)
    let kept = known.flatMap { known in
      known.unchanged(
        engine.series.changedTimes(since: known.mark, within: reach.times(known.steps)), reach, for: steps)
    }
    cache.count(isHit: kept != nil)
    guard let known, let kept else {
      let grid = try await vector(expression, steps)
      keep(FinishedSteps(steps: steps, grid: grid, mark: mark), key, in: cache)
      return grid
    }
    var all = GridPatchwork(union(kept))
    all.add(known.grid, known.steps, within: kept)
    for missing in [steps.before(kept.start), steps.after(kept.end)] where missing.count > 0 {
      all.add(try await vector(expression, missing), missing)
    }
    let finished = FinishedSteps(steps: union(kept), grid: all.grid, mark: mark)
    keep(finished, key, in: cache)
    guard finished.steps != steps else { return finished.grid }
    var wanted = GridPatchwork(steps)
    wanted.add(finished.grid, finished.steps)
    try spend(wanted.grid.count * steps.count)
    return wanted.grid
  }

  /// The query's steps with those that are kept beside them, at most as many again.
  private func union(_ kept: Steps) -> Steps {
    let more = Int64(steps.count) * steps.interval
    return Steps(
      start: min(steps.start, max(kept.start, steps.start - more)),
      end: max(steps.end, min(kept.end, steps.end + more)), interval: steps.interval)
  }

  /// Keeps what needs nothing said about it.
  private func keep(_ finished: FinishedSteps, _ key: StepCache.Key, in cache: StepCache) {
    guard annotations.isEmpty, coverage.isComplete, finished.grid.histograms.isEmpty, !finished.grid.isOrdered else {
      return
    }
    cache.keep(finished, key)
  }
}
