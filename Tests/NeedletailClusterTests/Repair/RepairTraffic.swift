import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry

@testable import NeedletailCluster

/// A cluster whose nodes compare their slots in virtual time, without faults and clients: what they send for that.
struct RepairTraffic {
  /// What a row takes in a message; the rest of a node's row is of no interest here.
  static let rowBytes = 64
  static let windowCount: Int64 = 24
  static let seriesOfWindow = 32
  static let replicaCount = 3

  struct Row: Hashable {
    let series: Hash128
    let window: Int64

    var digest: RangeDigest { RangeDigest(of: series, time: window, bits: 1) }
  }

  /// What a replica has of a slot; those that have the same share it.
  struct Content {
    var tree = MerkleTree()
    var rows: Set<Row> = []

    mutating func add(_ row: Row) {
      guard rows.insert(row).inserted else { return }
      tree.add(row.digest, window: row.window, bucket: MerkleTree.bucket(of: row.series))
    }

    mutating func remove(_ row: Row) {
      guard rows.remove(row) != nil else { return }
      tree.remove(row.digest, window: row.window, bucket: MerkleTree.bucket(of: row.series))
    }
  }

  fileprivate struct View: RepairSource {
    let identity: NodeIdentity
    let held: Set<UInt16>
    var firstWindow: Int64 { .min }
    var lastWindow: Int64 { .max }
    func holds(_ slot: UInt16) -> Bool { held.contains(slot) }
    func epoch(of slot: UInt16) -> UInt64 { 1 }
    func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool { true }
    func fill(of slot: UInt16) -> UInt64 { 1 }
    func isAvailable(_ node: NodeID) -> Bool { true }
  }

  struct Host {
    let id: NodeID
    fileprivate let view: View
    var partners: [UInt16: [NodeID]]
    var repair: AntiEntropy
    var contents: [UInt16: Content] = [:]
    var messages = 0
    var bytes = 0
    fileprivate var wakeAt = Int64.max
  }

  private enum Event {
    case deliver([UInt8], from: Int, to: Int)
    case wake(Int)
  }

  private static let delay: Int64 = 1_000_000
  private(set) var hosts: [Host] = []
  private var time: Int64 = 0
  /// When the last message came, in ns.
  private(set) var lastAt: Int64 = 0
  private var events = EventQueue<Event>()
  private var generator = SeededGenerator(seed: 1)
  private var numbers: [NodeID: Int] = [:]

  init(nodes: Int, slots: SlotMap) {
    let ids = (0..<nodes).map { NodeID("n\($0)") }
    numbers = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
    let replicas = HashRing(ids.map { RingMember($0) }).replicas(slots, count: Self.replicaCount)
    var partners = [[UInt16: [NodeID]]](repeating: [:], count: nodes)
    var contents = [[UInt16: Content]](repeating: [:], count: nodes)
    for (number, owners) in replicas.enumerated() {
      let (slot, content) = (UInt16(truncatingIfNeeded: number), Self.content(&generator))
      for owner in owners {
        guard let host = numbers[owner] else { continue }
        partners[host][slot] = owners.filter { $0 != owner }
        contents[host][slot] = content
      }
    }
    for (number, id) in ids.enumerated() {
      let view = View(
        identity: NodeIdentity(Hash128(high: 1, low: UInt64(number))), held: Set(partners[number].keys))
      hosts.append(
        Host(
          id: id, view: view, partners: partners[number],
          repair: AntiEntropy(Self.settings, cursor: nil, using: &generator), contents: contents[number]))
    }
  }

  /// Those of a node (`RepairPace`), as far as they count here.
  private static var settings: AntiEntropy.Settings {
    var settings = AntiEntropy.Settings()
    (settings.servedMax, settings.servedDigestsMax, settings.bytesPerSecond) = (64, 512, 16 << 20)
    return settings
  }

  private static func content(_ generator: inout SeededGenerator) -> Content {
    var content = Content()
    for window in 0..<windowCount {
      for _ in 0..<seriesOfWindow {
        content.add(Row(series: Hash128(high: generator.next(), low: generator.next()), window: window))
      }
    }
    return content
  }

  // MARK: - What is asked for

  /// All nodes compare all of their slots with all others that hold them, as a round does and `needletail cluster verify`
  /// asks for; or those of some alone.
  mutating func compareAll(_ only: [Int]? = nil, isFill: Bool = false) {
    for number in only ?? Array(hosts.indices) {
      // Slots in an order of its own, as rounds stand anywhere.
      for slot in hosts[number].partners.keys.sorted().shuffled(using: &generator) {
        for partner in hosts[number].partners[slot] ?? [] {
          hosts[number].repair.urge(slot, with: partner, isFill: isFill)
        }
      }
      wake(number)
    }
    run()
  }

  /// A replica of a slot lacks what the others have of one series in one window.
  mutating func loseOne(of number: Int) {
    guard let slot = hosts[number].contents.keys.min(), let content = hosts[number].contents[slot],
      let row = content.rows.min(by: { ($0.window, $0.series) < ($1.window, $1.series) })
    else { return }
    hosts[number].contents[slot]?.remove(row)
  }

  mutating func loseAll(of number: Int) {
    for slot in hosts[number].contents.keys { hosts[number].contents[slot] = Content() }
  }

  /// Whether the replicas of every slot have the same.
  var areEqual: Bool {
    hosts.allSatisfy { host in
      host.partners.allSatisfy { slot, partners in
        partners.allSatisfy { partner in
          numbers[partner].map { hosts[$0].contents[slot]?.tree.root == host.contents[slot]?.tree.root } ?? false
        }
      }
    }
  }

  /// What all sent since it was asked last, and what each sent on average.
  mutating func takeSent() -> (messages: Int, bytes: Int) {
    let sent = hosts.reduce((0, 0)) { ($0.0 + $1.messages, $0.1 + $1.bytes) }
    for number in hosts.indices { (hosts[number].messages, hosts[number].bytes) = (0, 0) }
    return sent
  }

  // MARK: - Time

  private mutating func wake(_ number: Int) {
    let repair = hosts[number].repair
    // There are no rounds, for which alone it would wake by itself to begin something.
    let isIdle = repair.exchangeCount < 2 && repair.waitingCount > repair.exchangeCount
    let next = isIdle ? time : max(time, Int64(clamping: repair.wakeAt(now: UInt64(time))))
    guard repair.waitingCount > 0, next < hosts[number].wakeAt else { return }
    hosts[number].wakeAt = next
    events.add(.wake(number), at: next)
  }

  private mutating func run() {
    while let (due, event) = events.pop() {
      time = due
      switch event {
      case .wake(let number):
        guard hosts[number].wakeAt == due else { continue }
        hosts[number].wakeAt = .max
        perform(hosts[number].repair.tick(now: UInt64(time), hosts[number].view), number)
        wake(number)
      case .deliver(let bytes, let sender, let number):
        lastAt = due
        guard let message = try? RepairMessage(bytes) else { continue }
        let view = hosts[number].view
        perform(
          hosts[number].repair.received(message, from: hosts[sender].id, now: UInt64(time), view), number)
        perform(hosts[number].repair.tick(now: UInt64(time), view), number)
        wake(number)
      }
    }
  }

  private mutating func perform(_ actions: [AntiEntropy.Action], _ number: Int) {
    for action in actions {
      switch action {
      case .send(let node, let message):
        guard let to = numbers[node] else { continue }
        let bytes = message.bytes
        hosts[number].messages += 1
        hosts[number].bytes += bytes.count
        events.add(.deliver(bytes, from: number, to: to), at: time + Self.delay)
      case .summarize, .expand, .listSeries, .readSeries, .store: answer(action, number)
      case .compared, .behind, .keep, .unfinished: break
      }
    }
  }

  /// What an engine does, at once.
  private mutating func answer(_ action: AntiEntropy.Action, _ number: Int) {
    let (now, view) = (UInt64(time), hosts[number].view)
    switch action {
    case .summarize(let ticket, let slot, let windows):
      let tree = hosts[number].contents[slot]?.tree.summary(windows) ?? SlotTree()
      perform(hosts[number].repair.summarized(ticket, tree, now: now, view), number)
    case .expand(let ticket, let slot, let node, let windows):
      let children = hosts[number].contents[slot]?.tree.children(of: node, within: windows) ?? []
      perform(hosts[number].repair.expanded(ticket, children, now: now, view), number)
    case .listSeries(let ticket, let slot, let window, let bucket):
      let rows = rows(number, slot, window) { RepairMessage.Bucket(bucket).has($0) }
      let list = rows.map { RepairMessage.Series(id: $0.series, digest: $0.digest) }
      perform(hosts[number].repair.listed(ticket, list, now: now, view), number)
    case .readSeries(let ticket, let slot, let window, let bucket, let request):
      let isMetrics = RepairMessage.Bucket(bucket).signal == 0
      let rows = isMetrics ? rows(number, slot, window) { request.isAskedFor($0) } : []
      perform(hosts[number].repair.read(ticket, Self.encode(rows), now: now, view), number)
    case .store(let ticket, let slot, let payload):
      for row in Self.decode(payload) { hosts[number].contents[slot]?.add(row) }
      perform(hosts[number].repair.stored(ticket, now: now, view), number)
    default: break
    }
  }

  private func rows(_ number: Int, _ slot: UInt16, _ window: Int64, _ isWanted: (Hash128) -> Bool) -> [Row] {
    (hosts[number].contents[slot]?.rows ?? []).filter { $0.window == window && isWanted($0.series) }
      .sorted { $0.series < $1.series }
  }

  private static func encode(_ rows: [Row]) -> [UInt8] {
    var writer = ByteWriter(reserving: rows.count * rowBytes)
    for row in rows {
      writer.append(row.series)
      writer.append(row.window)
      for _ in 0..<(rowBytes - 24) { writer.append(UInt8(0)) }
    }
    return writer.bytes
  }

  private static func decode(_ bytes: [UInt8]) -> [Row] {
    bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      var rows: [Row] = []
      while let series = try? reader.readHash(), let window = try? reader.read(Int64.self),
        (try? reader.read(count: rowBytes - 24)) != nil
      {
        rows.append(Row(series: series, window: window))
      }
      return rows
    }
  }
}
