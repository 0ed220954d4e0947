@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// Two replicas of a slot on a network without faults: one leads an exchange, and every message is kept.
struct RepairPair {
  struct Source: RepairSource {
    var identity: NodeIdentity
    var firstWindow: Int64 = 0
    var tree = MerkleTree()
    var rows: Set<ClusterItem> = []
    var isReady = true

    var lastWindow = Int64.max
    func holds(_ slot: UInt16) -> Bool { slot == 0 }
    func epoch(of slot: UInt16) -> UInt64 { 5 }
    func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool { isReady }
    func fill(of slot: UInt16) -> UInt64 { 7 }
    func isAvailable(_ node: NodeID) -> Bool { true }

    mutating func add(_ item: ClusterItem) {
      guard rows.insert(item).inserted, item.window >= firstWindow else { return }
      tree.add(item.digest, window: item.window, bucket: item.bucket)
    }

    mutating func expire(before first: Int64) {
      firstWindow = first
      rows = rows.filter { $0.window >= first }
      tree.removeWindows(before: first)
    }
  }

  static let names = [NodeID("left"), NodeID("right")]
  let items: [ClusterItem]
  var sources: [Source] = (1...2).map { Source(identity: NodeIdentity(Hash128(high: 0, low: $0))) }
  var repairs: [AntiEntropy]
  private(set) var messages: [(from: Int, message: RepairMessage)] = []
  private(set) var compared: [ReplicaReadiness.Comparison] = []
  private(set) var unfinished = 0
  var now: UInt64 = 0
  /// Rows of one message, at the most.
  var rowsMax = Int.max
  /// Which messages are lost, by their place.
  var isLost: (Int) -> Bool = { _ in false }
  private var queue: [(to: Int, bytes: [UInt8])] = []

  init(_ items: [ClusterItem], settings: AntiEntropy.Settings = AntiEntropy.Settings(), bug: PlantedReadBug? = nil) {
    var generator = SeededGenerator(seed: 3)
    self.items = items
    repairs = (0..<2).map { _ in AntiEntropy(settings, cursor: nil, using: &generator) }
    for side in 0..<2 {
      repairs[side].bug = bug
      sources[side].tree.bug = bug
    }
  }

  /// One exchange that the left one leads, to its end.
  mutating func exchange(windows: ClosedRange<Int64> = .min ... .max) {
    repairs[0].urge(0, with: Self.names[1], windows: windows)
    for _ in 0..<10_000 {
      perform(repairs[0].tick(now: now, sources[0]), 0)
      perform(repairs[1].tick(now: now, sources[1]), 1)
      deliver()
      if repairs[0].exchanges.isEmpty { return }
      now = max(now + 1, min(repairs[0].wakeAt(now: now), repairs[1].wakeAt(now: now)))
    }
  }

  private mutating func deliver() {
    while !queue.isEmpty {
      let next = queue.removeFirst()
      guard let message = try? RepairMessage(next.bytes) else { continue }
      perform(
        repairs[next.to].received(message, from: Self.names[1 - next.to], now: now, sources[next.to]), next.to)
    }
  }

  private mutating func perform(_ actions: [AntiEntropy.Action], _ side: Int) {
    for action in actions {
      switch action {
      case .send(_, let message):
        messages.append((side, message))
        if !isLost(messages.count) { queue.append((1 - side, message.bytes)) }
      case .summarize(let ticket, _, let windows):
        let tree = sources[side].tree.summary(windows)
        perform(repairs[side].summarized(ticket, tree, now: now, sources[side]), side)
      case .expand(let ticket, _, let node, let windows):
        let children = sources[side].tree.children(of: node, within: windows)
        perform(repairs[side].expanded(ticket, children, now: now, sources[side]), side)
      case .listSeries(let ticket, _, let window, let bucket):
        let rows = sources[side].rows.filter { $0.window == window && RepairMessage.Bucket(bucket).has($0.series) }
        let series = Dictionary(grouping: rows) { $0.series }.map {
          RepairMessage.Series(id: $0.key, digest: $0.value.digest)
        }
        perform(repairs[side].listed(ticket, series, now: now, sources[side]), side)
      case .readSeries(let ticket, _, let window, let bucket, let request):
        let signal = RepairMessage.Bucket(bucket).signal
        let rows = sources[side].rows.filter { signal == 0 && $0.window == window && request.isAskedFor($0.series) }
        let numbers = rows.map(\.number).sorted().filter { $0 >= request.position?.time ?? 0 }
        var writer = ByteWriter()
        for number in numbers.prefix(rowsMax) { writer.appendVarint(UInt64(number)) }
        let next = numbers.dropFirst(rowsMax).first.map { SlotExport.Position(section: 0, time: Int64($0)) }
        let rest = next.map { SlotExport.Request(keys: Set(rows.map(\.series)).sorted(), position: $0) }
        perform(repairs[side].read(ticket, writer.bytes, rest: rest, now: now, sources[side]), side)
      case .store(let ticket, _, let payload):
        payload.withUnsafeBytes { raw in
          var reader = ByteReader(raw)
          while let number = try? reader.readVarint() { sources[side].add(items[Int(number)]) }
        }
        perform(repairs[side].stored(ticket, now: now, sources[side]), side)
      case .compared(let comparison): compared.append(comparison)
      case .unfinished: unfinished += 1
      case .behind, .keep: break
      }
    }
  }
}
