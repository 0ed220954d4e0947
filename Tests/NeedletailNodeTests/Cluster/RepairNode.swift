import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NeedletailCluster
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry

@testable import NeedletailNode

/// A node of which there is nothing but its repair and a port, over real connections.
struct RepairNode: Sendable {
  let id: NodeID
  let view: ClusterView
  let contents: RepairContents
  let service: RepairService
  let address: ListenAddress
  /// How often it asked for a new version of the layout.
  let losses: LossCount
}

/// Counts what a node tells to have lost.
final class LossCount: Sendable {
  private let count = Lock(0)
  var value: Int { count.withLock { $0 } }
  func add() { count.withLock { $0 += 1 } }
}

/// Nodes on ports of this machine that know each other.
struct RepairNodes: Sendable {
  let nodes: [RepairNode]
  let channels: [PeerChannel]

  static let identities = (0..<8 as Range<UInt64>).map { NodeIdentity(Hash128(high: 7, low: $0)) }

  static var pace: RepairPace {
    var pace = RepairPace()
    pace.exchanges.pause = 5_000_000
    pace.exchanges.timeout = 20_000_000_000
    pace.lookAfter = 500_000_000
    return pace
  }

  static func layout(_ names: [NodeID], epoch: UInt64, slots: Int = MemoryContents.slots) -> ClusterLayout {
    let ring = HashRing(names.map { RingMember($0) })
    return ClusterLayout(
      epoch: epoch,
      assignment: SlotAssignment(ring, slots: SlotMap(count: slots) ?? .standard, replicaCount: 3),
      writeLevel: .quorum)
  }

  /// Runs nodes with these contents, each with a folder of its own on `disks`, and hands them to `body`.
  static func run<Result: Sendable>(
    _ contents: [RepairContents], disks: [any FileSystem], folders: [String]? = nil, founding: Set<Int> = [],
    identities: [NodeIdentity] = identities,
    pace: RepairPace = pace, sync: @escaping @Sendable (Int) throws -> Void = { _ in },
    _ body: @escaping @Sendable (RepairNodes) async throws -> Result
  ) async throws -> Result {
    let executor = ThreadExecutor(threads: 4)
    let result = await Swift.Result {
      try await withThrowingTaskGroup(of: Void.self) { group in
        var nodes: [RepairNode] = []
        for number in contents.indices {
          let (view, losses) = (ClusterView(own: NodeID("n\(number)"), identity: identities[number]), LossCount())
          let service = RepairService(
            cluster: view, contents: contents[number], dataFolder: folders?[number] ?? "/data",
            fileSystem: disks[number], retention: nil,
            hooks: RepairService.Hooks(
              since: { _, record, _ in record ?? 1 }, isFromTheStart: { _ in founding.contains(number) },
              lost: { losses.add() }, heard: { _, _ in }, sync: { try sync(number) }),
            pace: pace, clock: SystemClock(), random: SeededRandomSource(seed: UInt64(number + 1)), executor: executor,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
          let address = try await listen(service, &group)
          nodes.append(
            RepairNode(
              id: view.own, view: view, contents: contents[number], service: service, address: address, losses: losses))
          group.addTask { await service.run() }
        }
        var channels: [PeerChannel] = []
        for node in nodes {
          for other in nodes where other.id != node.id {
            let channel = PeerChannel.patient(other.address)
            channels.append(channel)
            _ = node.view.note(other.id, ClusterView.Peer(isPresent: true, channel: channel))
          }
        }
        let result = await Swift.Result { [nodes, channels] in
          try await body(RepairNodes(nodes: nodes, channels: channels))
        }
        for channel in channels { await channel.close() }
        group.cancelAll()
        while let ended = await group.nextResult() { _ = ended }
        return try result.get()
      }
    }
    await executor.shutDown()
    return try result.get()
  }

  private static func listen(
    _ service: RepairService, _ group: inout ThrowingTaskGroup<Void, any Error>
  ) async throws -> ListenAddress {
    let (addresses, listening) = AsyncStream.makeStream(of: ListenAddress.self)
    let listener = HTTPListener(
      address: ListenAddress(host: "127.0.0.1", port: 0), tls: nil, clock: ManualClock(),
      respond: { request, _ in
        Response(
          status: .ok, headers: [.contentType: "application/grpc"],
          body: ResponseBody { writer in
            guard PeerMethod(path: request.head.path ?? "") != .repairs else {
              let answers = PeerAnswer.pipeline(request.body, bytesMax: PeerMethod.repairs.questionBytesMax) {
                message throws(MalformedBytes) in try await service.answer(message)
              }
              _ = try await answers.write(to: writer)
              return
            }
            var writer = writer
            let status: GRPCStatus?
            do {
              var bytes: [UInt8] = []
              for try await piece in request.body { bytes += Array(buffer: piece) }
              let answer = try await service.answer(Array(bytes.dropFirst(GRPCMessage.prefixBytes)))
              try await writer.write(ByteBuffer(bytes: GRPCMessage.framed(answer)))
              status = nil
            } catch let error as MalformedBytes {
              status = GRPCStatus(.invalidArgument, "\(error)")
            }
            try await writer.finish(status.map(\.peerTrailers) ?? [.grpcStatus: "0"])
          })
      },
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), isForPeers: true,
      onListening: {
        listening.yield($0)
        listening.finish()
      })
    group.addTask { try await listener.run() }
    for await address in addresses { return address }
    throw PeerError.unreachable("it does not listen")
  }

  /// All hear of a layout of them all.
  func hear(epoch: UInt64, slots: Int = MemoryContents.slots) async {
    let layout = Self.layout(nodes.map(\.id), epoch: epoch, slots: slots)
    for node in nodes {
      node.view.take(layout)
      await node.service.heard(.layout(layout))
    }
  }

  func isReady(_ number: Int, slots: Int = MemoryContents.slots) -> Bool {
    let all = SlotSet((0..<UInt16(slots)))
    return nodes[number].service.unready(of: all, windows: .min ... .max).isEmpty
  }

  /// Waits for something that will be; false where it is not within some minutes, on a machine that has other things
  /// to do.
  static func eventually(_ isTrue: @Sendable () async -> Bool) async -> Bool {
    for _ in 0..<24_000 {
      if await isTrue() { return true }
      try? await Task.sleep(for: .milliseconds(10))
    }
    return false
  }
}
