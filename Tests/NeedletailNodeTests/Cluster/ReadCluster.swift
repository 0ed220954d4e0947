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

/// Nodes with real engines that read from each other over real connections, and what they hold by hand.
final class ReadCluster: Sendable {
  static let nowMilliseconds: Int64 = 1_700_000_000_000
  /// The start of an hour, some hours ago.
  static let start = (nowMilliseconds / 3_600_000 - 2) * 3_600_000
  let nodes: [ReadNode]
  /// One that belongs to no cluster, and has all.
  let single: ReadNode
  let clock: ManualClock
  let layout: ClusterLayout

  private init(_ nodes: [ReadNode], _ single: ReadNode, _ clock: ManualClock, _ layout: ClusterLayout) {
    self.nodes = nodes
    self.single = single
    self.clock = clock
    self.layout = layout
  }

  /// Runs `body` with so many nodes, each with replicas of some or all slots, and ends them.
  static func run(
    nodes count: Int = 3, replicas: Int = 3, zones: [String]? = nil, alarm: ReadAlarm? = nil,
    clock: ManualClock = ManualClock(),
    heard: @escaping @Sendable (_ own: NodeID, UInt64, NodeID) -> Void = { _, _, _ in },
    _ body: @escaping @Sendable (ReadCluster) async throws -> Void
  ) async throws {
    let names = (0..<count).map { NodeID("node-\($0)") }
    let members = names.enumerated().map { RingMember($1, zone: zones?[$0]) }
    let assignment = SlotAssignment(HashRing(members), replicaCount: replicas)
    let layout = ClusterLayout(epoch: 1, assignment: assignment, writeLevel: .quorum)
    let nodes = try names.map { name in
      try ReadNode(name, clock: clock, alarm: alarm) { epoch, node in heard(name, epoch, node) }
    }
    let single = try ReadNode(NodeID("single"), clock: clock, alarm: alarm)
    let result = await Result {
      try await withThrowingTaskGroup(of: Void.self) { group in
        var channels: [NodeID: PeerChannel] = [:]
        for node in nodes {
          let (addresses, listening) = AsyncStream.makeStream(of: ListenAddress.self)
          group.addTask {
            try await node.listen {
              listening.yield($0)
              listening.finish()
            }
          }
          for await address in addresses { channels[node.name] = PeerChannel.patient(address) }
        }
        for node in nodes {
          node.view.take(layout)
          for (name, channel) in channels where name != node.name {
            _ = node.view.note(name, ClusterView.Peer(isPresent: true, channel: channel))
          }
        }
        let result = await Result { try await body(ReadCluster(nodes, single, clock, layout)) }
        for channel in channels.values { await channel.close() }
        group.cancelAll()
        while let ended = await group.nextResult() { _ = ended }
        try result.get()
      }
    }
    for node in nodes + [single] { await node.close() }
    try result.get()
  }

  /// A node that nobody reaches any more.
  func cut(_ node: Int) {
    let gone = PeerChannel(ListenAddress(host: "127.0.0.1", port: 1))
    for other in nodes where other.name != nodes[node].name {
      _ = other.view.note(nodes[node].name, ClusterView.Peer(isPresent: false, channel: gone))
    }
  }

  // MARK: - Data

  /// A series with the samples that `isKept` lets a node have; the single engine has all.
  func append(
    _ labels: LabelSet, _ samples: [(time: Int64, value: Double)], exemplar: Exemplar? = nil,
    where isKept: (_ node: Int, _ sample: Int) -> Bool = { _, _ in true }
  ) async throws {
    let id = SeriesID(labels, tenant: .default)
    let owners = layout.readers(of: layout.assignment.slots.slot(of: id))
    for (index, node) in nodes.enumerated() where owners.contains(node.name) {
      try await node.append(labels, samples.indices.filter { isKept(index, $0) }.map { samples[$0] }, exemplar)
    }
    try await single.append(labels, samples, exemplar)
  }

  /// Some series of some jobs, ten minutes long.
  func appendSome(
    _ count: Int = 24, metric: String = "m",
    where isKept: (_ node: Int, _ series: Int, _ sample: Int) -> Bool = { _, _, _ in true }
  ) async throws {
    for series in 0..<count {
      let labels = LabelSet(["__name__": metric, "job": "j\(series % 4)", "i": "\(series)"])
      let samples = (0..<40 as Range<Int64>).map { index in
        (time: Self.start + index * 15_000, value: Double(Int(index) * (series + 1) % 97))
      }
      try await append(labels, samples) { isKept($0, series, $1) }
    }
  }

  static let expressions = [
    "m", "sum(m)", "sum by (job) (rate(m[5m]))", "max_over_time(m[10m])", "topk(3, m)", "count(m > 20) or vector(0)",
    "quantile by (job) (0.5, m)", "m{job=\"j1\"} + on(i) m{job=~\"j[12]\"}", "absent(nothing)", "avg(delta(m[3m]))",
  ]

  /// What a source answers to an expression, in words; over the ten minutes of `appendSome`.
  static func answer(_ expression: String, _ source: any SeriesSource) async throws -> (
    text: String, coverage: Coverage
  ) {
    let engine = QueryEngine(series: source)
    let result = try await engine.range(
      expression, tenant: .default, from: start, to: start + 600_000, step: 60_000)
    guard case .matrix(let columns) = result.value else { return ("\(result.value)", result.coverage) }
    let rows = (0..<columns.count).map { row in
      let samples = columns.offsets[row]..<columns.offsets[row + 1]
      return "\(columns.labels[row]) "
        + samples.map { "\(columns.timestamps[$0]):\(columns.values[$0].bitPattern)" }.joined(separator: " ")
    }
    return (rows.joined(separator: "\n") + result.warnings.joined(), result.coverage)
  }

  /// Expects the answers of a node to be those of the single engine.
  func expectSame(_ node: Int, _ options: ReadOptions = ReadOptions(), _ comment: String = "") async throws {
    for expression in Self.expressions {
      let (source, question) = nodes[node].source(options)
      let found = await ReadAnswer(expression, source)
      found.expectSame(as: await ReadAnswer(expression, single.reads.series), "\(expression) \(comment)")
      #expect(found.isComplete && question.coverage?.isPartial != true)
    }
  }
}

/// Times that a test makes come.
final class TestAlarm: Sendable {
  private let waiting = Lock<[UInt64: CheckedContinuation<Void, Never>]>([:])
  private let times = Lock<[UInt64: UInt64]>([:])
  private let next = Lock<UInt64>(0)

  var alarm: ReadAlarm {
    ReadAlarm { [self] time in
      let id = next.withLock { next in
        next += 1
        return next
      }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isCancelled = waiting.withLock { waiting in
            if Task.isCancelled { return true }
            waiting[id] = continuation
            return false
          }
          if isCancelled { return continuation.resume() }
          times.withLock { $0[id] = time }
        }
      } onCancel: {
        waiting.withLock { $0.removeValue(forKey: id) }?.resume()
      }
    }
  }

  /// The times for which somebody waits, ascending.
  private var pending: [(id: UInt64, time: UInt64)] {
    let ids = waiting.withLock { Set($0.keys) }
    return times.withLock { times in times.filter { ids.contains($0.key) }.map { ($0.key, $0.value) } }
      .sorted { ($0.time, $0.id) < ($1.time, $1.id) }
  }

  /// Waits until somebody waits for a time, and makes the earliest come.
  func fire(_ clock: ManualClock) async {
    while pending.isEmpty { await Task.yield() }
    guard let first = pending.first else { return }
    let now = UInt64(clamping: clock.monotonicNanoseconds())
    if first.time > now { clock.advance(nanoseconds: Int64(clamping: first.time - now)) }
    waiting.withLock { $0.removeValue(forKey: first.id) }?.resume()
  }
}
