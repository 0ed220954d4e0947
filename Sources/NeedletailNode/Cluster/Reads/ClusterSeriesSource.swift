import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// The series of the whole cluster, for one question.
///
/// Samples are read by `QuorumRead`: of each group of slots one replica tells them, and others only what theirs come
/// to. Where this node holds all slots that is itself, and nothing is sent but digests. Lists are the union of what R
/// ready replicas of each slot have.
struct ClusterSeriesSource: ReducingSource, DerivingSource, ExemplarSource {
  let reads: ClusterReads
  let question: ClusterQuestion

  func select(_ selection: SeriesSelection) async throws -> any NeedletailQueryEngine.SeriesCursor {
    guard let compared = compared(selection) else { return UnionCursor([]) }
    return try await read(compared, .series(compared), .series).cursor
  }

  /// What others hold they reduce where their replicas agree; what this node holds, and what differs, is told.
  func select(_ selection: SeriesSelection, reducing reduction: SeriesReduction) async throws -> ReducedSelection {
    // What others reduce begins where its steps do, be that compared or not. Who holds all asks for digests alone.
    let layout = try reads.layout()
    guard compared(selection)?.range == selection.range, layout.slots(of: reads.view.own) != layout.allSlots else {
      return ReducedSelection(rest: try await select(selection)) { [] }
    }
    let opened = try await read(selection, .reduction(selection, reduction), .reduced)
    guard let result = opened.result else { return ReducedSelection(rest: opened.cursor) { [] } }
    var parts = RemoteReductions(reads: reads, result: result, reduction, selection.limits)
    try await parts.readEarly()
    return ReducedSelection(rest: opened.cursor) { [parts] in try await parts.all() }
  }

  /// What others hold they work out where their replicas agree; what this node holds, and what differs, comes as samples.
  func select(
    _ selection: SeriesSelection, deriving derivation: SeriesDerivation
  ) async throws -> any NeedletailQueryEngine.SeriesCursor {
    let layout = try reads.layout()
    // What others work out begins where its steps do, be that compared or not. Who holds all asks for digests alone.
    guard compared(selection)?.range == selection.range, layout.slots(of: reads.view.own) != layout.allSlots else {
      return try await select(selection)
    }
    return try await read(
      selection, .derivation(selection, derivation), .reduced, stepCount: derivation.stepCount
    ).cursor
  }

  /// The selection without what is about to expire, of which nobody can tell whether others have more; nil where nothing
  /// is left.
  private func compared(_ selection: SeriesSelection) -> SeriesSelection? {
    let start = max(reads.series.engine.comparedFrom, selection.range.startMilliseconds)
    guard let range = TimeRange(startMilliseconds: start, endMilliseconds: selection.range.endMilliseconds) else {
      return nil
    }
    var selection = selection
    selection.range = range
    return selection
  }

  private func read(
    _ selection: SeriesSelection, _ subject: ReadSubject, _ form: QuorumRead.Form, stepCount: Int? = nil
  ) async throws -> OpenedCursor {
    if let run = InMemoryRun.current {
      // All but what this node has by itself is waited for.
      guard form == .series, let early = try early(selection) else { throw Self.refused(run) }
      return OpenedCursor(cursor: early, result: nil)
    }
    return try await onThread {
      if form == .series, let early = try early(selection) { return OpenedCursor(cursor: early, result: nil) }
      let reading = QuorumReading(
        reads: reads, question: question, subject: try subject.encoded(), windows: selection.range.windows, form: form)
      let result = try await reading.run()
      return OpenedCursor(
        cursor: ClusterCursor(try cursor(result, selection, stepCount: stepCount), result.outcome.coverage),
        result: result)
    }
  }

  /// What this node has, while others are asked whether they have the same; nil where that is not to be tried.
  private func early(_ selection: SeriesSelection) throws -> ClusterCursor? {
    let layout = try reads.layout()
    guard let early = question.early, early.mayBegin,
      layout.slots(of: reads.view.own) == layout.allSlots
    else { return nil }
    let reading = QuorumReading(reads: reads, question: question, subject: [], windows: selection.range.windows)
    guard let agreement = PendingAgreement(reading, selection, layout) else { return nil }
    // Before it is read, so that an error of that is one of the answer only where others agree.
    early.add(agreement)
    var selection = selection
    selection.hints.takesHistogramBefore = false
    let filter = reads.series.engine.filter(agreement.slots)
    let cursor = try reads.series.select(selection, slots: filter)
    try checkReady(agreement.slots, agreement.notReady, selection.range.windows)
    return ClusterCursor(ReplicaCursor(cursor, of: reads.view.own, reads), nil, agreement)
  }

  private static func refused(_ run: InMemoryRun) -> CancellationError {
    run.refuse()
    return CancellationError()
  }

  /// Reading what this node has blocks.
  private func onThread<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    try await withTaskExecutorPreference(reads.executor) { try await body() }
  }

  /// A cursor on its way from the thread that opened it.
  ///
  /// `@unchecked Sendable`: that is done with it before the one that waits for it has it.
  private struct OpenedCursor: @unchecked Sendable {
    let cursor: ClusterCursor
    /// Nil where only this node's data is read, and it is not known yet whether that is enough.
    let result: QuorumReading.Result?
  }

  private func cursor(
    _ result: QuorumReading.Result, _ selection: SeriesSelection, stepCount: Int?
  ) throws -> any NeedletailQueryEngine.SeriesCursor {
    // What this node was asked to reduce it tells: the rows are here. Of a derivation all of an answer is one stream.
    let uses =
      stepCount == nil
      ? result.outcome.uses.filter { $0.reduction == nil || $0.node == reads.view.own } : result.outcome.joined
    var selection = selection
    // What lies before a range may be in hours that were not compared: of it replicas may know different things.
    selection.hints.takesHistogramBefore = false
    if uses.count > 1 {
      // A series is told from others by all of its labels.
      selection.hints.labels = nil
      selection.hints.standIns = nil
    }
    let map = try reads.layout().assignment.slots
    let cursors = try uses.map { use -> any NeedletailQueryEngine.SeriesCursor in
      if use.node == reads.view.own {
        let filter = reads.series.engine.filter(use.slots)
        let cursor = try reads.series.select(selection, slots: filter)
        try checkReady(use.slots, result.notReady[use.ask] ?? [], selection.range.windows)
        return ReplicaCursor(cursor, of: use.node, reads)
      }
      guard let stream = result.streams[use.ask] else {
        throw QueryError(.internal, "node \(use.node) is part of an answer and told nothing")
      }
      var cursor: any NeedletailQueryEngine.SeriesCursor = RemoteSeriesCursor(
        stream.stream, of: use.node.description, selection, stepCount: stepCount, holding: stream)
      let isWhole = stepCount == nil ? result.asked[use.ask] == use.slots : result.usesAll(of: use.ask)
      if !isWhole {
        cursor = SlotCursor(cursor, use.slots, of: map, tenant: selection.tenant)
      }
      return ReplicaCursor(cursor, of: use.node, reads)
    }
    return cursors.count == 1 ? cursors[0] : UnionCursor(cursors)
  }

  /// What was found damaged since this node had its vote may have been left out before the cursor was opened.
  private func checkReady(_ slots: SlotSet, _ known: SlotSet, _ windows: ClosedRange<Int64>) throws(QueryError) {
    let unready = reads.replicas.unready(of: slots, windows: windows)
    guard unready.isSubset(of: known) else {
      reads.counters.count(\.broken)
      throw QueryError(.unavailable, "node \(reads.view.own) just found something of its own damaged; try again")
    }
  }

  // MARK: - Lists

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await texts(.labelNames(scope, limit: limit), scope, limit) { try await $0.labelNames(scope, limit: limit) }
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await texts(.labelValues(name, scope, limit: limit), scope, limit) {
      try await $0.labelValues(name, scope, limit: limit)
    }
  }

  private func texts(
    _ subject: ReadSubject, _ scope: MetadataScope, _ limit: Int,
    _ own: @escaping @Sendable (SeriesStore) async throws -> Listing<String>
  ) async throws -> Listing<String> {
    let (lists, coverage) = try await lists(subject, scope.range.windows, own) { bytes throws(MalformedBytes) in
      try ListMessage.texts(bytes, limit)
    }
    var list = UnionSeriesSource.texts(lists, limit)
    list.coverage.merge(coverage)
    return list
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    let (lists, coverage) = try await lists(
      .seriesNames(scope, limit: limit), scope.range.windows, { try await $0.series(scope, limit: limit) }
    ) { bytes throws(MalformedBytes) in try ListMessage.labelSets(bytes, limit) }
    var list = UnionSeriesSource.labelSets(lists, limit)
    list.coverage.merge(coverage)
    return list
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] {
    let (lists, _) = try await lists(
      .metadata(tenant, metric: metric, limit: limit), SlotWindow.timeless...SlotWindow.timeless,
      { Listing(try await $0.metadata(tenant: tenant, metric: metric, limit: limit)) }
    ) { bytes throws(MalformedBytes) in Listing(try ListMessage.metadata(bytes, limit)) }
    return UnionSeriesSource.metadata(lists.map(\.elements), limit)
  }

  func exemplars(
    tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange, limit: Int
  ) async throws -> Listing<(labels: LabelSet, exemplar: Exemplar)> {
    let (lists, coverage) = try await lists(
      .exemplars(tenant, matchers, range, limit: limit), range.windows,
      { try await $0.exemplars(tenant: tenant, matchers, range, limit: limit) }
    ) { bytes throws(MalformedBytes) in try ListMessage.exemplars(bytes, limit) }
    return Listing(ExemplarUnion.of(lists.map(\.elements), limit: limit), coverage: coverage)
  }

  /// What ready replicas of each slot list, and how whole that is.
  private func lists<Element>(
    _ subject: ReadSubject, _ windows: ClosedRange<Int64>,
    _ own: @escaping @Sendable (SeriesStore) async throws -> Listing<Element>,
    _ decode: @escaping @Sendable ([UInt8]) throws(MalformedBytes) -> Listing<Element>
  ) async throws -> (lists: [Listing<Element>], coverage: Coverage) where Listing<Element>: Sendable {
    if let run = InMemoryRun.current { throw Self.refused(run) }
    return try await onThread {
      let gathering = GatheringRead(
        reads: reads, question: question, subject: try subject.encoded(), windows: windows,
        messageBytesMax: ClusterReads.listBytesMax)
      let result = try await gathering.run { [store = reads.series] in
        let list = try await own(store)
        if let failure = list.coverage.failures.first { throw QueryError(.unavailable, failure) }
        return list
      } remote: { response, _ throws(PeerError) in
        do throws(MalformedBytes) { return try decode(response.data) } catch { throw .malformed("\(error)") }
      }
      return (result.answers.map(\.value), Coverage(result.coverage))
    }
  }
}

/// The exemplars of several sources, each once.
enum ExemplarUnion {
  typealias Element = (labels: LabelSet, exemplar: Exemplar)

  /// An exemplar, compared bit by bit: a NaN is none of itself, and zeros of either sign are one.
  private struct Key: Hashable {
    var time: Int64
    var value: UInt64
    var labels: LabelSet

    init(_ exemplar: Exemplar) {
      (time, value, labels) = (exemplar.timestampMilliseconds, exemplar.value.bitPattern, exemplar.labels)
    }

    var exemplar: Exemplar {
      Exemplar(timestampMilliseconds: time, value: Double(bitPattern: value), labels: labels)
    }
  }

  /// By series and time, at most `limit`.
  static func of(_ lists: [[Element]], limit: Int) -> [Element] {
    var found: [LabelSet: Set<Key>] = [:]
    for element in lists.joined() { found[element.labels, default: []].insert(Key(element.exemplar)) }
    var union: [Element] = []
    for labels in found.keys.sorted(by: SeriesOrder.precedes) {
      let exemplars = (found[labels] ?? []).sorted { left, right in
        (left.time, left.value) != (right.time, right.value)
          ? (left.time, left.value) < (right.time, right.value)
          : left.labels.canonicalBytes.lexicographicallyPrecedes(right.labels.canonicalBytes)
      }
      for exemplar in exemplars.prefix(max(0, limit - union.count)) { union.append((labels, exemplar.exemplar)) }
    }
    return union
  }
}

extension QuorumRead.Outcome {
  /// What is used of each ask, its reductions and its rows together. Uses come in the order of asks.
  fileprivate var joined: [QuorumRead.Use] {
    var joined: [QuorumRead.Use] = []
    for use in uses {
      if let last = joined.indices.last, joined[last].ask == use.ask {
        joined[last].slots.formUnion(use.slots)
      } else {
        joined.append(use)
      }
    }
    return joined
  }
}

extension QuorumReading.Result {
  /// Whether all that an ask is answered with, reductions and rows, is part of the answer.
  fileprivate func usesAll(of ask: Int) -> Bool {
    let uses = outcome.uses.filter { $0.ask == ask }
    let rows = uses.first { $0.reduction == nil }?.slots ?? SlotSet()
    return uses.count { $0.reduction != nil } == reductions[ask, default: 0] && rows == asked[ask, default: SlotSet()]
  }
}
