import Foundation
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NeedletailBlocks
import NeedletailCluster
import NeedletailCollector
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

/// A value that closures share.
final class Shared<Value: Sendable>: Sendable {
  private let value: Lock<Value>

  init(_ value: Value) { self.value = Lock(value) }

  func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { value.withLock { body(&$0) } }
}

/// A node with a storage in a folder of its own, and with replicated writes that others reach over loopback.
actor WriteNode {
  static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

  /// What runs between a start and a stop.
  struct Running {
    let storage: NodeStorage
    let view: ClusterView
    let writing: ReplicatedWriting
    let executor: ThreadExecutor
    let address: ListenAddress
    let server: Task<Void, any Error>
  }

  nonisolated let id: NodeID
  nonisolated let folder: TemporaryFolder
  /// What was told as in need of repair.
  nonisolated let repairs = Shared<[NodeID: HintNote]>([:])
  /// How often.
  nonisolated let tellings = Shared<[NodeID: Int]>([:])
  private(set) var running: Running?

  init(_ id: NodeID) throws {
    self.id = id
    folder = try TemporaryFolder()
  }

  var up: Running {
    get throws { try #require(running) }
  }

  func start(
    _ settings: WriteSettings = .patient, hints: (folder: String, fileSystem: any FileSystem)? = nil
  ) async throws {
    let data = folder.path + "/data"
    let configuration = try ServerConfiguration.load(flags: ["data": data], environment: [:], file: nil)
    let storage = try NodeStorage(
      configuration, fileSystem: PosixFileSystem(), clock: SystemClock(), random: SystemRandomSource())
    let executor = ThreadExecutor(threads: 2)
    let view = ClusterView(own: id, identity: NodeIdentity(Hash128(high: 1, low: UInt64(id.rawValue.utf8.count))))
    let (repairs, tellings) = (repairs, tellings)
    let writing = ReplicatedWriting(
      view: view, storage: StorageSink(series: storage.series, logs: storage.logs, spans: storage.spans),
      dataFolder: hints?.folder ?? data, fileSystem: hints?.fileSystem ?? PosixFileSystem(), clock: SystemClock(),
      random: SeededRandomSource(seed: 1), executor: executor, logger: Self.silent, settings: settings,
      repair: { node, note in
        repairs.withLock { $0[node, default: HintNote()].formUnion(note) }
        tellings.withLock { $0[node, default: 0] += 1 }
      })
    let (addresses, listening) = AsyncStream.makeStream(of: ListenAddress.self)
    let receiver = writing.receiver
    let listener = HTTPListener(
      address: ListenAddress(host: "127.0.0.1", port: 0), tls: nil, clock: SystemClock(),
      respond: { request, _ in await Self.respond(request, receiver) },
      logger: Self.silent, isForPeers: true,
      onListening: {
        listening.yield($0)
        listening.finish()
      })
    let server = Task { try await listener.run() }
    var address: ListenAddress?
    for await bound in addresses { address = bound }
    running = Running(
      storage: storage, view: view, writing: writing, executor: executor, address: try #require(address),
      server: server)
  }

  private static func respond(_ request: Request, _ receiver: WriteReceiver) async -> Response {
    Response(
      status: .ok, headers: [.contentType: "application/grpc"],
      body: ResponseBody { writer in
        let method = PeerMethod(path: request.head.path ?? "")
        if method == .writes {
          let calls = PeerAnswer.pipeline(request.body, bytesMax: PeerMethod.writes.questionBytesMax) {
            message throws(MalformedBytes) in try await receiver.answer(message)
          }
          _ = try await calls.write(to: writer)
          return
        }
        var body: [UInt8] = []
        for try await piece in request.body { body += Array(piece.readableBytesView) }
        guard method == .write,
          let answer = try? await receiver.answer(GRPCMessage(body: body).bytes)
        else { return try await writer.finish([.grpcStatus: "3"]) }
        var writer = writer
        try await writer.write(ByteBuffer(bytes: GRPCMessage.framed(answer)))
        try await writer.finish([.grpcStatus: "0"])
      })
  }

  func stop() async {
    guard let running else { return }
    self.running = nil
    running.server.cancel()
    _ = await running.server.result
    await running.writing.close()
    for peer in running.view.peers.values { await peer.channel.close() }
    running.storage.close()
    await running.executor.shutDown()
  }

  // MARK: - What it holds

  /// The series of a selector with their last samples, and how many samples each has, as text.
  func content(_ selector: String, at time: Int64) async throws -> [String] {
    let source = SeriesStore(engine: try up.storage.series, losses: [])
    var all: [String] = []
    for query in [selector, "count_over_time(\(selector)[1h])"] {
      let expression = try PrometheusAPI.parse(query)
      let result = try await QueryEngine(series: source).instant(
        expression, text: query, tenant: .default, at: time)
      guard case .vector(let columns) = result.value else { continue }
      all += PeerMessageTests.text(columns).sorted()
    }
    return all
  }
}

/// A few such nodes that know each other.
struct WriteCluster {
  let nodes: [WriteNode]
  let layout: ClusterLayout

  /// Makes and starts them, with three replicas of each slot or as many as there are nodes.
  static func run(
    _ count: Int, settings: WriteSettings = .patient, _ body: (WriteCluster) async throws -> Void
  ) async throws {
    let ids = (1...count).map { NodeID("n\($0)") }
    let assignment = SlotAssignment(HashRing(ids.map { RingMember($0) }), replicaCount: min(3, count))
    let cluster = WriteCluster(
      nodes: try ids.map { try WriteNode($0) },
      layout: ClusterLayout(epoch: 1, assignment: assignment, writeLevel: .quorum))
    for node in cluster.nodes { try await node.start(settings) }
    try await cluster.meet()
    let result = await Result { try await body(cluster) }
    for node in cluster.nodes { await node.stop() }
    try result.get()
  }

  /// Lets each node know of all that are up, and under which layout.
  func meet() async throws {
    for node in nodes {
      guard let running = await node.running else { continue }
      running.view.take(layout)
      for other in nodes where other.id != node.id {
        guard let address = await other.running?.address else { continue }
        if running.view.channel(to: other.id)?.address == address, running.view.isPresent(other.id) { continue }
        let old = running.view.note(other.id, ClusterView.Peer(isPresent: true, channel: PeerChannel.patient(address)))
        await old?.close()
        await running.writing.coordinator.heard(.present(other.id))
      }
    }
  }

  /// Takes a node down; the others hear of it where they are told.
  func stop(_ index: Int, telling: Bool = true) async throws {
    await nodes[index].stop()
    guard telling else { return }
    for node in nodes {
      guard let running = await node.running else { continue }
      guard let channel = running.view.channel(to: nodes[index].id) else { continue }
      _ = running.view.note(nodes[index].id, ClusterView.Peer(isPresent: false, channel: channel))
      await running.writing.coordinator.heard(.absent(nodes[index].id))
    }
  }

  /// Waits until a node holds no payload any more: every replica has it, a hint of it, or was given up.
  func settle(_ index: Int = 0) async throws {
    let coordinator = try await nodes[index].up.writing.coordinator
    while await coordinator.writes.count > 0 { await Task.yield() }
  }

  /// Waits until no hint for a node is left at another one.
  func delivered(from index: Int = 0, to node: NodeID) async throws {
    let writing = try await nodes[index].up.writing
    while await writing.waiting(for: node).hints > 0 { await Task.yield() }
  }

  func sink(_ index: Int = 0) async throws -> ReplicatedSink { try await nodes[index].up.writing.sink }
}

/// A batch of series `requests`, and their definitions.
struct WrittenSeries {
  let batch: SeriesBatch
  let definitions: SeriesDefinitions

  init(_ numbers: Range<Int>, at time: Int64, metric: String = "requests") throws {
    var builder = SeriesBatchBuilder()
    var defining = SeriesDefinitionsBuilder()
    for number in numbers {
      let labels = LabelSet([Label(LabelSet.nameLabel, metric), Label("number", "\(number)")])
      let id = SeriesID(labels, tenant: .default)
      defining.append(id, labels: labels)
      builder.beginSeries(id)
      builder.append(timestamp: time, valueBits: Double(number).bitPattern)
    }
    let built = builder.build(tenant: .default, batchID: Hash128(high: UInt64(time), low: UInt64(numbers.count)))
    let defined = defining.build(tenant: .default)
    batch = try #require(built)
    definitions = try #require(defined)
  }
}

extension WriteSettings {
  /// Other tests may have the processors for seconds: whoever is there answers, however late.
  static var patient: WriteSettings {
    var settings = WriteSettings()
    settings.writes.attemptTimeout = 60_000_000_000
    settings.deadline = 120_000_000_000
    return settings
  }
}
