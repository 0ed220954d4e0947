import HummingbirdCore
import Logging
import NIOCore
import NIOEmbedded
import NeedletailCluster
import NeedletailCollector
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

/// One node of a `ReadCluster`.
final class ReadNode: Sendable {
  /// What it does to the questions of others.
  enum Behaviour: Sendable {
    case well
    /// It waits until the test lets it.
    case slow(Gate)
    /// These messages, whatever the question.
    case says([[UInt8]])
    /// The first message, and then an error.
    case breaks
    /// The first message, and then these.
    case garbles([[UInt8]])
  }

  /// Opens once, and for all.
  final class Gate: Sendable {
    private let state = Lock<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
      await withCheckedContinuation { waiter in
        let isOpen = state.withLock { state in
          if !state.isOpen { state.waiters.append(waiter) }
          return state.isOpen
        }
        if isOpen { waiter.resume() }
      }
    }

    func open() {
      let waiters = state.withLock { state in
        defer { state = (true, []) }
        return state.waiters
      }
      for waiter in waiters { waiter.resume() }
    }
  }

  final class Replicas: LocalReplicas {
    let adoptedEpoch: UInt64 = 1
    let unready = Lock<SlotSet>([])
    /// How often it is still asked before it finds all of its slots damaged.
    let damagedAfter = Lock(Int.max)
    let urged = Lock<[(slots: SlotSet, node: NodeID)]>([])

    func unready(of slots: SlotSet, windows: ClosedRange<Int64>) -> SlotSet {
      let isDamaged = damagedAfter.withLock { left in
        if left > 0 { left -= 1 }
        return left == 0
      }
      return isDamaged ? slots : unready.withLock { unready in SlotSet(slots.filter { unready.contains($0) }) }
    }

    func unfinished(of slots: SlotSet) -> SlotSet { unready(of: slots, windows: .min ... .max) }

    func urge(_ slots: SlotSet, with node: NodeID, windows: ClosedRange<Int64>) {
      urged.withLock { $0.append((slots, node)) }
    }
  }

  let name: NodeID
  let view: ClusterView
  let replicas = Replicas()
  let reads: ClusterReads
  let queries: QueryService
  let behaviour = Lock(Behaviour.well)
  /// Whether it tells at once what it knows; else that is asked by a call of its own.
  let tellsAtOnce = Lock(false)
  /// How often it did.
  let toldAtOnce = Lock(0)
  /// How often it was asked for data, for what that is reduced to, and for digests alone.
  let asked = Lock<(data: Int, reduced: Int, digests: Int)>((0, 0, 0))
  /// The bytes of its answers behind the first message of each, which has the digests.
  let told = Lock(0)
  let status: PrometheusStatus
  private let folder: TemporaryFolder
  private let storage: NodeStorage
  private let sink: StorageSink
  private let executor = ThreadExecutor(threads: 2)
  private let batches = Lock<UInt64>(0)

  init(
    _ name: NodeID, clock: ManualClock, alarm: ReadAlarm?,
    heard: @escaping @Sendable (UInt64, NodeID) -> Void = { _, _ in }
  ) throws {
    self.name = name
    folder = try TemporaryFolder()
    let configuration = try ServerConfiguration.load(
      flags: ["data": folder.path + "/data"], environment: [:], file: nil)
    storage = try NodeStorage(
      configuration, fileSystem: PosixFileSystem(), clock: clock, random: SystemRandomSource())
    status = PrometheusStatus(
      configuration: configuration, storage: storage, clock: clock, startedMilliseconds: 0)
    sink = StorageSink(series: storage.series, logs: storage.logs, spans: storage.spans)
    view = ClusterView(own: name, identity: NodeIdentity(Hash128(high: 1, low: 1)))
    let series = SeriesStore(engine: storage.series, losses: [])
    let events = EventStore(logs: storage.logs, spans: storage.spans, losses: [])
    reads = ClusterReads(
      view: view, replicas: replicas, series: series, events: events, executor: executor, clock: clock,
      random: SeededRandomSource(seed: 7), alarm: alarm, earlyWait: .seconds(60), heard: heard)
    queries = QueryService(
      series: series, events: events, traces: events, exemplars: series,
      gate: QueryGate(runningMax: 4, waitingMax: 64), executor: executor, parallelism: 1,
      cache: StepCache(bytesMax: 1 << 20), deadlines: QueryDeadlines(clock: clock), limits: QueryLimits(),
      features: QueryFeatures(), clock: clock, counters: QueryCounters(), losses: [])
  }

  func close() async {
    await executor.shutDown()
    storage.close()
  }

  func flush() throws { _ = try storage.flush() }

  /// The cluster's series as this node reads them, and the question that they are read for.
  func source(
    _ options: ReadOptions = ReadOptions(), early: EarlyEvaluation? = nil
  ) -> (source: ClusterSeriesSource, question: ClusterQuestion) {
    let question = ClusterQuestion(options, timeout: .seconds(60), early: early)
    return (ClusterSeriesSource(reads: reads, question: question), question)
  }

  func append(_ labels: LabelSet, _ samples: [(time: Int64, value: Double)], _ exemplar: Exemplar?) async throws {
    var builder = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    let id = SeriesID(labels, tenant: .default)
    definitions.append(id, labels: labels)
    builder.beginSeries(id)
    for sample in samples { builder.append(timestamp: sample.time, valueBits: sample.value.bitPattern) }
    if let exemplar { builder.append(exemplar: exemplar) }
    let number = batches.withLock { number in
      number += 1
      return number
    }
    let (batch, known) = (
      builder.build(tenant: .default, batchID: Hash128(high: 0, low: number)), definitions.build(tenant: .default)
    )
    try await sink.append(series: #require(batch), definitions: known)
  }

  func append(_ batch: EventBatch) async throws { _ = try await sink.append(events: batch) }

  // MARK: - What others ask

  /// Answers other nodes until its task is cancelled.
  func listen(_ onListening: @escaping @Sendable (ListenAddress) -> Void) async throws {
    let service = PeerService(
      sink: sink, queries: queries, budget: IngestBudget(bytesMax: 1 << 30), cluster: Peer(node: self))
    let listener = HTTPListener(
      address: ListenAddress(host: "127.0.0.1", port: 0), tls: nil, clock: ManualClock(),
      respond: { request, context in
        Response(
          status: .ok, headers: [.contentType: "application/grpc"],
          body: ResponseBody { writer in
            do {
              let method = try #require(PeerMethod(path: request.head.path ?? ""))
              _ = try await service.answer(method, request, context).write(to: writer)
            } catch {
              try await writer.finish(GRPCStatus(answering: error).peerTrailers)
            }
          })
      },
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), isForPeers: true,
      onListening: onListening)
    try await listener.run()
  }

  private struct Peer: ClusterPeer {
    let node: ReadNode

    func answer(_ method: PeerMethod, _ message: [UInt8], _ context: ConnectionContext) async throws -> PeerAnswer {
      if method == .compare {
        let asked = try CompareRequest(decoding: message)
        node.replicas.urge(asked.slots, with: asked.partner, windows: asked.windows)
        return .message([])
      }
      if case .request(let request) = try ReadMessage(message, node: node.name) {
        node.asked.withLock { asked in
          if !request.ask.series.isEmpty { asked.data += 1 }
          if !request.ask.reduced.isEmpty { asked.reduced += 1 }
          if request.ask.series.isEmpty, request.ask.reduced.isEmpty { asked.digests += 1 }
        }
      }
      let behaviour = node.behaviour.withLock { $0 }
      if case .says(let messages) = behaviour {
        return .messages(Messages(messages), first: nil, node.executor)
      }
      if case .slow(let gate) = behaviour { await gate.wait() }
      let answer = try await ReadResponder(reads: node.reads, queries: node.queries).answer(message, context)
      guard case .messages(let rest, let first, let executor) = answer else { return answer }
      switch behaviour {
      case .breaks: return .messages(Messages([], isBroken: true), first: first, executor)
      case .garbles(let messages): return .messages(Messages(messages), first: first, executor)
      default: return .messages(CountedMessages(rest, of: node), first: first, executor)
      }
    }

    func known(_ question: [UInt8]) throws(MalformedBytes) -> [UInt8] {
      guard node.tellsAtOnce.withLock({ $0 }) else { return [] }
      node.toldAtOnce.withLock { $0 += 1 }
      return try ReadResponder(reads: node.reads, queries: node.queries).known(question)
    }

    func answer(_ method: PeerMethod, of message: [UInt8]) throws(MalformedBytes) -> [UInt8] {
      throw .invalid("nothing is written here")
    }
  }

  private final class CountedMessages: PeerMessages {
    private let messages: any PeerMessages
    private let node: ReadNode

    init(_ messages: any PeerMessages, of node: ReadNode) {
      self.messages = messages
      self.node = node
    }

    func next() async throws -> [UInt8]? {
      let message = try await messages.next()
      node.told.withLock { $0 += message?.count ?? 0 }
      return message
    }
  }

  private final class Messages: PeerMessages {
    private let messages: Lock<[[UInt8]]>
    private let isBroken: Bool

    init(_ messages: [[UInt8]], isBroken: Bool = false) {
      self.messages = Lock(messages)
      self.isBroken = isBroken
    }

    func next() async throws -> [UInt8]? {
      if isBroken { throw GRPCStatus(.internal, "the disk is gone") }
      return messages.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    }
  }
}
