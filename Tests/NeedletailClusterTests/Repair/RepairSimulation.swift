@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// Replicas, writers and readers on a virtual clock, with messages that get lost, come late, twice or out of order,
/// nodes that crash, disks that are lost and windows that are damaged; then all of it stops, and everything must come
/// together.
///
/// A unit of time is about a millisecond. All follows from the seed.
struct RepairSimulation {
  enum Event {
    case message(to: Int, from: Int, bytes: [UInt8])
    case wake(Int, epoch: Int)
    case disk(Int, epoch: Int, Work)
    case write
    case arrive(Int, row: Int)
    case acknowledge(Int, row: Int)
    case read
    case asked(Int, [UInt8])
    case answered(Int, ReadMessage.Response, epoch: Int, disk: UInt64)
    case heard([UInt8], from: Int)
    case readTick(Int)
    case fault
    case start(Int)
    case join(Int, Int)
  }

  /// What a disk is at.
  enum Work {
    case summarize(UInt64, slot: UInt16, windows: ClosedRange<Int64>)
    case expand(UInt64, slot: UInt16, node: TreeNode, windows: ClosedRange<Int64>)
    case list(UInt64, slot: UInt16, window: Int64, bucket: UInt8)
    case read(UInt64, slot: UInt16, window: Int64, bucket: UInt8, SlotExport.Request)
    case store(UInt64, [ClusterItem])
    case sync([ClusterItem], row: Int)
    case record(UInt16, ReplicaReadiness.Record?, [ClusterItem])
  }

  struct Row {
    var item: ClusterItem
    /// The assignment that the writer knew.
    var epoch: UInt64
    var holders: Set<Int> = []
    var isAcknowledged = false
  }

  var generator: SeededGenerator
  let ids: [NodeID]
  let slots: Int
  let replicaCount: Int
  let writeQuorum: Int
  let bug: PlantedReadBug?
  private let lossRate: Double
  private let duplicateRate: Double
  private let delayMax: Int
  private let calmAt: UInt64 = 6_000
  var nodes: [RepairReplica] = []
  var rows: [Row] = []
  var reads: [SimulatedRead] = []
  private var cuts: Set<[Int]> = []
  /// That of the newest assignment.
  private var epoch: UInt64 = 1
  private var queue: [(time: UInt64, number: Int, event: Event)] = []
  private var count = 0
  private(set) var now: UInt64 = 0
  private var isCalm = false
  private(set) var violations: [String] = []
  /// Changes with everything that happens.
  private(set) var hash: UInt64 = 0
  private(set) var faults = 0
  private(set) var messages = 0
  private(set) var fills = 0
  private(set) var wholeReads = 0
  private(set) var partialReads = 0

  init(seed: UInt64, bug: PlantedReadBug? = nil) {
    var generator = SeededGenerator(seed: seed)
    let count = 3 + generator.below(3)
    ids = (0..<count).map { NodeID("n\($0)") }
    slots = 1 + generator.below(3)
    replicaCount = min(count, generator.chance(0.7) ? 3 : 5)
    writeQuorum = replicaCount / 2 + 1
    lossRate = Double(generator.below(4)) * 0.1
    duplicateRate = Double(generator.below(3)) * 0.2
    delayMax = 1 + generator.below(60)
    self.bug = bug
    self.generator = generator
    for number in 0..<count {
      var partners: [UInt16: [NodeID]] = [:]
      for slot in 0..<slots where replicas(slot).contains(number) {
        partners[UInt16(slot)] = replicas(slot).filter { $0 != number }.map { ids[$0] }
      }
      nodes.append(
        RepairReplica(
          ids[number], partners: partners, writeQuorum: writeQuorum, bug: bug, using: &self.generator))
    }
    for number in 0..<count { start(number) }
  }

  func replicas(_ slot: Int) -> [Int] { (0..<replicaCount).map { ($0 + slot) % ids.count } }

  // MARK: - Time

  mutating func at(_ delay: Int, _ event: Event) {
    count += 1
    let entry = (time: now + UInt64(max(0, delay)), number: count, event: event)
    var (low, high) = (0, queue.count)
    while low < high {
      let middle = (low + high) / 2
      if queue[middle].time > entry.time { low = middle + 1 } else { high = middle }
    }
    queue.insert(entry, at: low)
  }

  /// Sends over a network that is as bad as the seed says, to or from the writers and readers too (nil).
  mutating func send(from: Int?, to: Int?, _ event: Event) {
    messages += 1
    guard isCalm || !generator.chance(lossRate) else { return }
    if let from, let to, cuts.contains([min(from, to), max(from, to)]) { return }
    at(1 + generator.below(delayMax), event)
    if !isCalm, generator.chance(duplicateRate) { at(1 + generator.below(delayMax * 3), event) }
  }

  mutating func run() {
    for _ in 0..<30 { at(generator.below(Int(calmAt)), .write) }
    for _ in 0..<24 { at(generator.below(Int(calmAt)), .read) }
    for _ in 0..<(4 + generator.below(12)) { at(generator.below(Int(calmAt) - 500), .fault) }
    advance(until: { $0.now >= $0.calmAt })
    calm()
    let goal = nodes.map { $0.repair.rounds + 2 }
    advance(until: { simulation in simulation.nodes.indices.allSatisfy { simulation.isSettled($0, goal[$0]) } })
    checkConvergence()
  }

  private func isSettled(_ number: Int, _ rounds: Int) -> Bool {
    nodes[number].partners.isEmpty || nodes[number].repair.rounds >= rounds && nodes[number].repair.exchanges.isEmpty
  }

  private mutating func advance(until isDone: (RepairSimulation) -> Bool) {
    var steps = 0
    while violations.isEmpty, !isDone(self), let next = queue.popLast() {
      steps += 1
      if steps > 60_000 { violations.append("it does not come to an end") }
      now = next.time
      hash = (hash &* 0x100_0000_01b3) ^ (next.time << 20 | UInt64(truncatingIfNeeded: next.number))
      perform(next.event)
    }
  }

  private mutating func calm() {
    isCalm = true
    cuts = []
    for number in nodes.indices where !nodes[number].isUp { start(number) }
  }

  // MARK: - Events

  private mutating func perform(_ event: Event) {
    switch event {
    case .message(let to, let from, let bytes): receive(to, from, bytes)
    case .wake(let number, let epoch):
      if nodes[number].isUp, nodes[number].epoch == epoch { wake(number) }
    case .disk(let number, let epoch, let work):
      if nodes[number].isUp, nodes[number].epoch == epoch { finish(work, number) }
    case .write: write()
    case .arrive(let number, let row): arrive(number, row)
    case .acknowledge(let number, let row):
      rows[row].holders.insert(number)
      if rows[row].holders.count >= writeQuorum { rows[row].isAcknowledged = true }
    case .read: if !isCalm { beginRead() }
    case .asked(let number, let bytes): if nodes[number].isUp { asked(number, bytes) }
    case .answered(let number, let response, let epoch, let disk):
      // Damage that is found between the digests and the data is a failed answer.
      if nodes[number].isUp, nodes[number].epoch == epoch, nodes[number].disk == disk { answer(number, response) }
    case .heard(let bytes, let from): heard(bytes, from)
    case .readTick(let number): tickRead(number)
    case .fault: if !isCalm { fault() }
    case .start(let number): if !nodes[number].isUp { start(number) }
    case .join(let one, let other): cuts.remove([one, other])
    }
  }

  private mutating func start(_ number: Int) {
    let actions = nodes[number].start(using: &generator)
    perform(actions, number)
    at(generator.below(50), .wake(number, epoch: nodes[number].epoch))
  }

  private func unavailable(_ number: Int) -> Set<NodeID> {
    Set(nodes.indices.filter { !nodes[$0].isUp && $0 % 2 == 0 }.map { ids[$0] })
  }

  private mutating func wake(_ number: Int) {
    for slot in nodes[number].readiness.unready {
      guard let awaited = nodes[number].readiness.awaited(slot) else { continue }
      for partner in awaited.partners {
        nodes[number].repair.urge(slot, with: partner, windows: awaited.windows, isFill: true)
      }
    }
    let view = nodes[number].view(unavailable(number))
    perform(nodes[number].repair.tick(now: now, view), number)
    let next = nodes[number].repair.wakeAt(now: now)
    at(Int(min(200, max(1, next > now ? next - now : 20))), .wake(number, epoch: nodes[number].epoch))
  }

  private mutating func receive(_ to: Int, _ from: Int, _ bytes: [UInt8]) {
    guard nodes[to].isUp else { return }
    guard let message = try? RepairMessage(bytes) else {
      violations.append("a message cannot be read")
      return
    }
    hash ^= bytes.withUnsafeBytes { Hash128.of($0, seed: hash).low }
    let view = nodes[to].view(unavailable(to))
    perform(nodes[to].repair.received(message, from: ids[from], now: now, view), to)
  }

  private mutating func perform(_ actions: [AntiEntropy.Action], _ number: Int) {
    for action in actions {
      let work: Work
      switch action {
      case .send(let node, let message):
        guard let to = ids.firstIndex(of: node) else { continue }
        send(from: number, to: to, .message(to: to, from: number, bytes: message.bytes))
        continue
      case .compared(let comparison):
        perform(nodes[number].readiness.compared(comparison), number)
        continue
      case .behind(_, _, let epoch):
        learn(number, epoch)
        continue
      case .keep(let cursor):
        nodes[number].cursor = cursor
        continue
      case .unfinished: continue
      case .summarize(let ticket, let slot, let windows):
        work = .summarize(ticket, slot: slot, windows: windows)
      case .expand(let ticket, let slot, let node, let windows):
        work = .expand(ticket, slot: slot, node: node, windows: windows)
      case .listSeries(let ticket, let slot, let window, let bucket):
        work = .list(ticket, slot: slot, window: window, bucket: bucket)
      case .readSeries(let ticket, let slot, let window, let bucket, let request):
        work = .read(ticket, slot: slot, window: window, bucket: bucket, request)
      case .store(let ticket, _, let payload):
        work = .store(ticket, SimulatedRead.items(payload, rows))
      }
      at(1 + generator.below(20), .disk(number, epoch: nodes[number].epoch, work))
    }
  }

  private mutating func perform(_ actions: [ReplicaReadiness.Action], _ number: Int) {
    for action in actions {
      switch action {
      case .store(let slot, let record):
        let work = Work.record(slot, record, Array(nodes[number].rows))
        at(1 + generator.below(20), .disk(number, epoch: nodes[number].epoch, work))
      case .ready(let slot, _):
        if now > 0 { fills += 1 }
        for row in rows where row.isAcknowledged && row.item.slot == slot && row.holders.contains(number) {
          if !nodes[number].rows.contains(row.item) {
            violations.append("\(ids[number]) is ready without \(row.item.number), which it acknowledged")
          }
        }
      }
    }
  }

  private mutating func finish(_ work: Work, _ number: Int) {
    let view = nodes[number].view(unavailable(number))
    switch work {
    case .summarize(let ticket, let slot, let windows):
      perform(
        nodes[number].repair.summarized(ticket, nodes[number].summary(slot, windows), now: now, view), number)
    case .expand(let ticket, let slot, let node, let windows):
      let children = nodes[number].children(slot, node, windows)
      perform(nodes[number].repair.expanded(ticket, children, now: now, view), number)
    case .list(let ticket, let slot, let window, let bucket):
      let series = nodes[number].series(slot, window, bucket)
      perform(nodes[number].repair.listed(ticket, series, now: now, view), number)
    case .read(let ticket, let slot, let window, let bucket, let request):
      let signal = RepairMessage.Bucket(bucket).signal
      let found = nodes[number].rows(slot, window...window).filter { signal == 0 && request.isAskedFor($0.series) }
      perform(nodes[number].repair.read(ticket, SimulatedRead.bytes(found), now: now, view), number)
    case .store(let ticket, let items):
      for item in items { nodes[number].add(item) }
      nodes[number].sync(items)
      let after = nodes[number].view(unavailable(number))
      perform(nodes[number].repair.stored(ticket, now: now, after), number)
    case .sync(let items, let row):
      // What was damaged meanwhile is not acknowledged.
      guard nodes[number].rows.isSuperset(of: items) else { return }
      nodes[number].sync(items)
      send(from: number, to: nil, .acknowledge(number, row: row))
    case .record(let slot, let record, let items):
      // What was appended before is on disk first. What got lost meanwhile was not there to be kept.
      nodes[number].sync(items.filter { nodes[number].rows.contains($0) })
      nodes[number].records[slot] = record
    }
  }

  // MARK: - Writes

  private mutating func write() {
    guard !isCalm else { return }
    let item = ClusterItem(rows.count, slots: slots, windows: 4, using: &generator)
    rows.append(Row(item: item, epoch: epoch - min(epoch - 1, UInt64(generator.chance(0.2) ? 1 : 0))))
    for number in replicas(Int(item.slot)) { send(from: nil, to: number, .arrive(number, row: rows.count - 1)) }
  }

  private mutating func learn(_ number: Int, _ epoch: UInt64) {
    perform(nodes[number].learn(epoch), number)
  }

  private mutating func arrive(_ number: Int, _ row: Int) {
    // In an old assignment a disk may be named that is gone, with what it acknowledged.
    guard nodes[number].isUp, nodes[number].assignment <= rows[row].epoch else { return }
    learn(number, rows[row].epoch)
    nodes[number].add(rows[row].item)
    at(1 + generator.below(20), .disk(number, epoch: nodes[number].epoch, .sync([rows[row].item], row: row)))
  }

  // MARK: - Faults

  private func mayLose(_ number: Int) -> Bool {
    (0..<slots).allSatisfy { slot in
      let all = replicas(slot)
      return !all.contains(number)
        || all.count { $0 != number && nodes[$0].lacks(UInt16(slot)) } < writeQuorum - 1
    }
  }

  private mutating func fault() {
    let number = generator.below(nodes.count)
    faults += 1
    switch generator.below(10) {
    case 0..<4:
      nodes[number].crash()
      at(50 + generator.below(800), .start(number))
    case 4..<6 where mayLose(number):
      epoch += 1
      nodes[number].loseDisk(epoch)
      at(50 + generator.below(300), .start(number))
    case 6..<8 where mayLose(number) && nodes[number].isUp:
      let window = Int64(generator.below(4))
      epoch += 1
      perform(nodes[number].damage(window, epoch, using: &generator), number)
    case 8:
      for number in nodes.indices { nodes[number].crash() }
      for number in nodes.indices { start(number) }
    default:
      let other = (number + 1 + generator.below(nodes.count - 1)) % nodes.count
      let pair = [min(number, other), max(number, other)]
      cuts.insert(pair)
      at(200 + generator.below(1500), .join(pair[0], pair[1]))
    }
  }

  // MARK: - Checks

  mutating func report(_ violation: String) { violations.append(violation) }

  mutating func count(_ isPartial: Bool) {
    if isPartial { partialReads += 1 } else { wholeReads += 1 }
  }

  private mutating func checkConvergence() {
    guard violations.isEmpty else { return }
    for slot in 0..<slots {
      let all = replicas(slot)
      let sets = all.map { Set(nodes[$0].rows(UInt16(slot), .min ... .max)) }
      if Set(sets).count > 1 { violations.append("the replicas of \(slot) differ after two calm rounds") }
      if Set(all.compactMap { nodes[$0].trees[UInt16(slot)]?.root }).count > 1 { violations.append("trees differ") }
      for row in rows where row.isAcknowledged && Int(row.item.slot) == slot && !sets[0].contains(row.item) {
        violations.append("\(row.item.number) was acknowledged and is lost")
      }
      for number in all where nodes[number].readiness.state(of: UInt16(slot)) != .ready {
        violations.append("\(ids[number]) is not ready for \(slot)")
      }
    }
  }
}
