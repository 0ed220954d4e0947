import NeedletailCluster
import NeedletailEnvironment
import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// Answers what other nodes read of this one.
struct ReadResponder: Sendable {
  let reads: ClusterReads
  /// Over what this node itself holds, with the gate and the threads that questions of nodes have (`forPeers`).
  let queries: QueryService

  /// The answer to `PeerMethod.read`; throws `MalformedBytes` and `QueryError`.
  func answer(_ message: [UInt8], _ context: ConnectionContext) async throws -> PeerAnswer {
    guard case .request(let request) = try ReadMessage(message, node: reads.view.own) else {
      throw MalformedBytes.invalid("not a question")
    }
    // Before it takes a place at the gate: it may wait for a layout.
    if let refusal = try await reads.refusal(of: request) { return .message(refusal.bytes) }
    // Where digests are enough and known, which is most questions, nothing is waited for.
    if request.ask.series.isEmpty, request.ask.reduced.isEmpty,
      let answer = reads.known(request.ask, windows: request.windows)
    {
      return .message(Self.first(request, answer, []))
    }
    let timeout = Duration.nanoseconds(Int64(clamping: request.timeLeft))
    let answer = try await queries.run(for: context, timeout: timeout) { engine in
      let subject: ReadSubject
      do throws(MalformedBytes) { subject = try ReadSubject(decoding: request.selection) } catch {
        throw QueryError(.badData, "the message cannot be read: \(error)")
      }
      if case .reduction(let selection, let reduction) = subject {
        return try await reduced(request, selection, reduction, engine, context)
      }
      if case .derivation(let selection, let derivation) = subject {
        return try await derived(request, selection, derivation, engine)
      }
      guard request.ask.reduced.isEmpty else { throw QueryError(.badData, "there is nothing to reduce") }
      return try await Self.answer(request, subject, reads)
    }
    guard let rest = answer.rest else { return .message(answer.first) }
    // A reader takes the rows once others have answered, too. Two that wait for each other's places would do so until
    // they give up. One message at a time is made of each stream, on the same threads, and when the last was taken.
    context.held.giveBack()
    return .messages(rest, first: answer.first, queries.executor)
  }

  /// What is known of slots at once; empty where it is not, or where the reader goes by another layout.
  func known(_ message: [UInt8]) throws(MalformedBytes) -> [UInt8] {
    guard case .request(let request) = try ReadMessage(message, node: reads.view.own) else {
      throw .invalid("not a question")
    }
    // What is told of slots that there are not would be as long as the question says.
    guard request.ask.series.isEmpty, request.ask.reduced.isEmpty, let layout = reads.view.layout,
      request.epoch == layout.epoch, request.ask.slots.isSubset(of: layout.allSlots),
      let answer = reads.known(request.ask, windows: request.windows)
    else { return [] }
    let bytes = Self.first(request, answer, [])
    return bytes.count <= PeerConversation.answerBytesMax ? bytes : []
  }

  private typealias Messages = (first: [UInt8], rest: (any PeerMessages)?)

  private static func answer(
    _ request: ReadMessage.Request, _ subject: ReadSubject, _ reads: ClusterReads
  ) async throws -> Messages {
    if case .series(let selection) = subject { return try series(request, selection, reads) }
    let slots = request.ask.slots
    // Who was ready before all else has all that is read after it, unless it was left out as damaged meanwhile.
    var answer = QuorumRead.Answer(
      windows: request.windows, digests: [:], notReady: reads.replicas.unready(of: slots, windows: request.windows),
      series: request.ask.series)
    if let rows = try events(subject, reads.events) {
      answer.notReady.formUnion(reads.replicas.unready(of: slots, windows: request.windows))
      return (first(request, answer, []), rows)
    }
    let list = try await list(subject, reads.series, reads.events)
    answer.notReady.formUnion(reads.replicas.unready(of: slots, windows: request.windows))
    guard list.count <= ReadMessage.dataMax else {
      throw QueryError(.execution, "the list has more than \(ReadMessage.dataMax) bytes; ask for less of it")
    }
    return (first(request, answer, list), nil)
  }

  private static func first(_ request: ReadMessage.Request, _ answer: QuorumRead.Answer, _ data: [UInt8]) -> [UInt8] {
    ReadMessage.response(
      ReadMessage.Response(
        read: request.read, ask: request.ask.id, epoch: request.epoch, answer: answer, data: data)
    ).bytes
  }

  /// Fails where something was found damaged since the digests were made: they speak of it, and the rows that were opened
  /// after them lack it. Others may have the same digest, so that it would count as if it were there.
  private static func checkReady(
    _ request: ReadMessage.Request, _ answer: QuorumRead.Answer, _ reads: ClusterReads
  ) throws(QueryError) {
    let unready = reads.replicas.unready(of: request.ask.slots, windows: request.windows)
    guard unready.isSubset(of: answer.notReady) else {
      throw QueryError(.unavailable, "the node just found something of its own damaged")
    }
  }

  /// Digests first, and then the samples: what the digests speak of is among these.
  private static func series(
    _ request: ReadMessage.Request, _ selection: SeriesSelection, _ reads: ClusterReads
  ) throws -> Messages {
    guard selection.range.isWithin(request.windows) else {
      throw QueryError(.badData, "samples are asked for outside of the hours that are compared")
    }
    let answer = try reads.own(request.ask, windows: request.windows)
    guard !request.ask.series.isEmpty else { return (first(request, answer, []), nil) }
    let cursor = try reads.series.select(selection, slots: reads.series.engine.filter(request.ask.series))
    try Self.checkReady(request, answer, reads)
    return (first(request, answer, []), SelectionAnswer(cursor, losses: [], isWhole: true))
  }

  /// The same, of which groups of slots are told as what they are reduced to, each by itself.
  private func reduced(
    _ request: ReadMessage.Request, _ selection: SeriesSelection, _ reduction: SeriesReduction, _ engine: QueryEngine,
    _ context: ConnectionContext
  ) async throws -> Messages {
    guard selection.range.isWithin(request.windows) else {
      throw QueryError(.badData, "samples are asked for outside of the hours that are compared")
    }
    let ask = request.ask
    let answer = try reads.own(ask, windows: request.windows)
    guard !ask.series.isEmpty || !ask.reduced.isEmpty else { return (Self.first(request, answer, []), nil) }
    var opened: [OpenedReduction] = []
    for slots in ask.reduced {
      opened.append(try await self.engine(engine, selection, slots).open(reduction, tenant: selection.tenant))
    }
    let cursor =
      ask.series.isEmpty
      ? nil : try reads.series.select(selection, slots: reads.series.engine.filter(ask.series))
    try Self.checkReady(request, answer, reads)
    let rows = cursor.map { SelectionAnswer($0, losses: [], isWhole: true) }
    return (Self.first(request, answer, []), ReductionAnswer(opened, rows, context, queries.executor))
  }

  /// The same, of which each series of some groups is told as what becomes of it, where that is smaller; all of them in one
  /// order.
  private func derived(
    _ request: ReadMessage.Request, _ selection: SeriesSelection, _ derivation: SeriesDerivation, _ engine: QueryEngine
  ) async throws -> Messages {
    guard selection.range.isWithin(request.windows) else {
      throw QueryError(.badData, "samples are asked for outside of the hours that are compared")
    }
    let ask = request.ask
    let answer = try reads.own(ask, windows: request.windows)
    var cursors: [any NeedletailQueryEngine.SeriesCursor] = []
    if !ask.reduced.isEmpty {
      let slots = ask.reduced.reduce(into: SlotSet()) { $0.formUnion($1) }
      cursors.append(try await self.engine(engine, selection, slots).open(derivation, tenant: selection.tenant))
    }
    if !ask.series.isEmpty {
      cursors.append(try reads.series.select(selection, slots: reads.series.engine.filter(ask.series)))
    }
    guard let first = cursors.first else { return (Self.first(request, answer, []), nil) }
    try Self.checkReady(request, answer, reads)
    let all = cursors.count == 1 ? first : UnionCursor(cursors)
    return (Self.first(request, answer, []), SelectionAnswer(all, losses: [], isWhole: true))
  }

  /// What evaluates a part of another node's query over some slots of this one, within that query's limits.
  private func engine(_ engine: QueryEngine, _ selection: SeriesSelection, _ slots: SlotSet) -> QueryEngine {
    let source = SlotSeries(store: reads.series, slots: reads.series.engine.filter(slots), asked: selection)
    var limits = engine.limits
    (limits.series, limits.samples) = (selection.limits.series, selection.limits.samples)
    return QueryEngine(series: source, limits: limits, parallelism: engine.parallelism, features: engine.features)
  }

  /// Events of this node; nil where a list is wanted.
  private static func events(_ subject: ReadSubject, _ store: EventStore) throws -> (any PeerMessages)? {
    switch subject {
    case .logs(let selection):
      let plan = try EventPlan(selection)
      return try EventStore.translating { () throws(EventEngineError) in
        let hits = EngineHits(try store.logs.selectLogs(plan.query), plan, pageSize: 1024)
        return EventHitsAnswer(hits, tenant: selection.tenant, limit: selection.limit)
      }
    case .spans(let selection):
      let plan = try EventPlan(selection)
      return try EventStore.translating { () throws(EventEngineError) in
        let hits = EngineHits(try store.spans.selectSpans(plan.query), plan, pageSize: 1024)
        return EventHitsAnswer(hits, tenant: selection.tenant, limit: selection.limit)
      }
    case .trace(let id, let tenant):
      return try EventStore.translating { () throws(EventEngineError) in
        EventHitsAnswer(ListedHits(try store.spans.trace(id, tenant: tenant)), tenant: tenant, limit: .max)
      }
    default: return nil
    }
  }

  /// A list of what this node has; fails where something of it cannot be read.
  private static func list(
    _ subject: ReadSubject, _ store: SeriesStore, _ events: EventStore
  ) async throws -> [UInt8] {
    switch subject {
    case .labelNames(let scope, let limit):
      ListMessage.encode(try await store.labelNames(scope, limit: limit).whole())
    case .labelValues(let name, let scope, let limit):
      ListMessage.encode(try await store.labelValues(name, scope, limit: limit).whole())
    case .seriesNames(let scope, let limit): ListMessage.encode(try await store.series(scope, limit: limit).whole())
    case .metadata(let tenant, let metric, let limit):
      ListMessage.encode(try await store.metadata(tenant: tenant, metric: metric, limit: limit))
    case .exemplars(let tenant, let matchers, let range, let limit):
      ListMessage.encode(try await store.exemplars(tenant: tenant, matchers, range, limit: limit).whole())
    case .traceSearch(let search): TraceMessage.encode(try await events.search(search))
    case .fieldNames(let signal, let scope, let limit):
      ListMessage.encode(try await events.fieldNames(signal, scope, limit: limit).whole())
    case .fieldValues(let signal, let field, let scope, let limit):
      ListMessage.encode(try await events.fieldValues(signal, field: field, scope, limit: limit).whole())
    case .streams(let signal, let scope, let limit):
      ListMessage.encode(try await events.streams(signal, scope, limit: limit).whole())
    case .series, .reduction, .derivation, .logs, .spans, .trace: throw QueryError(.internal, "rows are no list")
    }
  }
}

extension TimeRange {
  fileprivate func isWithin(_ windows: ClosedRange<Int64>) -> Bool {
    let own = self.windows
    return windows.contains(own.lowerBound) && windows.contains(own.upperBound)
  }
}
