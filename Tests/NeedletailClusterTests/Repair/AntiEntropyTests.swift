@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@Suite("Anti-entropy") struct AntiEntropyTests {
  private func pair(
    _ seed: UInt64, items count: Int, share: Double, settings: AntiEntropy.Settings = AntiEntropy.Settings(),
    bug: PlantedReadBug? = nil
  ) -> RepairPair {
    var generator = SeededGenerator(seed: seed)
    let windows = [1, 4, 40, 5_000][generator.below(4)]
    let items = (0..<count).map { ClusterItem($0, slots: 1, windows: windows, using: &generator) }
    var pair = RepairPair(items, settings: settings, bug: bug)
    for item in items {
      let chance = Double.random(in: 0..<1, using: &generator)
      if chance >= share / 2 { pair.sources[0].add(item) }
      if chance < share / 2 || chance >= share { pair.sources[1].add(item) }
    }
    return pair
  }

  @Test("One exchange brings both sides the union, and tells when it is done")
  func union() {
    for seed in 1...200 as ClosedRange<UInt64> {
      var pair = pair(seed, items: Int(seed % 50), share: [0.02, 0.3, 1][Int(seed % 3)])
      let union = pair.sources[0].rows.union(pair.sources[1].rows)
      pair.exchange()
      #expect(pair.sources[0].rows == union && pair.sources[1].rows == union, "seed \(seed)")
      #expect(pair.sources[0].tree == pair.sources[1].tree, "seed \(seed)")
      let wanted = ReplicaReadiness.Comparison(
        slot: 0, node: RepairPair.names[1], wasReady: true, windows: .min ... .max, fill: 7)
      #expect(pair.compared == [wanted], "seed \(seed)")
    }
  }

  @Test("Messages that get lost are sent again, and an exchange that gets no answer ends")
  func loss() {
    for seed in 1...100 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var pair = pair(seed, items: 30, share: 0.5)
      let union = pair.sources[0].rows.union(pair.sources[1].rows)
      let lost = Set((0..<8).map { _ in generator.below(40) })
      pair.isLost = { lost.contains($0) }
      pair.exchange()
      #expect(pair.unfinished == 0 || pair.compared.isEmpty)
      if pair.unfinished == 0 { #expect(pair.sources[0].rows == union && pair.sources[1].rows == union) }
    }
    var pair = pair(1, items: 30, share: 0.5)
    pair.isLost = { _ in true }
    pair.exchange()
    #expect(pair.unfinished == 1 && pair.compared.isEmpty && pair.messages.count == 3)
  }

  @Test("What does not go into one message comes in several")
  func pieces() {
    for seed in 1...100 as ClosedRange<UInt64> {
      var pair = pair(seed, items: 60, share: 1)
      pair.rowsMax = 1 + Int(seed % 3)
      let union = pair.sources[0].rows.union(pair.sources[1].rows)
      let lost = seed % 2 == 0 ? Set((10..<30).filter { $0 % 7 == 0 }) : []
      pair.isLost = { lost.contains($0) }
      pair.exchange()
      #expect(pair.compared.count + pair.unfinished == 1)
      guard pair.unfinished == 0 else { continue }
      #expect(pair.sources[0].rows == union && pair.sources[1].rows == union, "seed \(seed)")
    }
    var settings = AntiEntropy.Settings()
    settings.continuationsMax = 0
    var pair = pair(4, items: 60, share: 1, settings: settings)
    pair.rowsMax = 1
    pair.exchange()
    #expect(pair.compared.isEmpty && pair.unfinished == 1)
  }

  @Test("A difference counts as one of what has settled, of what belongs to no time, or of what is being written")
  func differences() {
    var generator = SeededGenerator(seed: 11)
    var items = (0..<60).map { ClusterItem($0, slots: 1, windows: 100, using: &generator) }
    items.append(ClusterItem(timeless: 60, using: &generator))
    let places: [(name: String, items: [ClusterItem])] = [
      ("settled", items.filter { $0.window < 50 }), ("recent", items.filter { (50..<100).contains($0.window) }),
      ("timeless", [items[60]]), ("none", []),
    ]
    for seed in 1...100 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var pair = RepairPair(items)
      pair.sources[0].lastWindow = 49
      for side in 0..<2 { for item in items { pair.sources[side].add(item) } }
      let lacking = places.filter { _ in Bool.random(using: &generator) }
      for place in lacking {
        guard let lost = place.items.randomElement(using: &generator) else { continue }
        let side = Int.random(in: 0..<2, using: &generator)
        pair.sources[side].rows.remove(lost)
        pair.sources[side].tree.remove(lost.digest, window: lost.window, bucket: lost.bucket)
      }
      pair.exchange()
      let names = Set(lacking.map(\.name))
      var wanted = AntiEntropy.Differences()
      if names.contains("settled") {
        wanted.settled = 1
      } else if names.contains("timeless") {
        wanted.timeless = 1
      } else if names.contains("recent") {
        wanted.recent = 1
      }
      #expect(pair.repairs[0].differences == wanted, "seed \(seed)")
      pair.exchange()
      #expect(pair.repairs[0].differences == wanted, "seed \(seed), once more")
    }
  }

  @Test("Two equal replicas say two things, however much they have")
  func equal() {
    for count in [0, 1, 400] {
      var pair = pair(5, items: count, share: 0)
      pair.exchange()
      #expect(pair.messages.count == 2 && pair.compared.count == 1)
      #expect(pair.messages.allSatisfy { $0.message.bytes.count < 100 })
    }
  }

  @Test("One series that differs moves the list of its bucket and itself alone", arguments: [0, 1])
  func one(side: Int) {
    var pair = pair(6, items: 400, share: 0)
    var generator = SeededGenerator(seed: 9)
    let lacking = pair.items[generator.below(400)]
    var other = RepairPair(pair.items)
    for item in pair.items {
      for each in 0..<2 where each != side || item != lacking { other.sources[each].add(item) }
    }
    pair = other
    pair.exchange()
    var (lists, payloads): ([Int], [Int]) = ([], [])
    for (_, message) in pair.messages {
      switch message.body {
      case .reply(.series(let series), _): lists.append(series.count)
      case .reply(.payload(let payload, _), _), .question(.push(let payload)):
        if !payload.isEmpty { payloads.append(payload.count) }
      default: break
      }
    }
    #expect(lists.count <= 1 && payloads.count >= 1 && payloads.count <= 2)
    #expect(pair.messages.count <= 2 * 12)
    #expect(pair.sources[0].tree == pair.sources[1].tree)
  }

  @Test("What one side has nothing of is moved an hour at a time, without lists", arguments: [0, 1], [false, true])
  func empty(side: Int, isMuch: Bool) {
    var settings = AntiEntropy.Settings()
    if isMuch { settings.unlistedMax = 3 }
    var pair = pair(7, items: 300, share: 0, settings: settings)
    var other = RepairPair(pair.items, settings: settings)
    for item in pair.items { other.sources[side].add(item) }
    pair = other
    pair.exchange()
    let lists = pair.messages.count { message in
      if case .reply(.series, _) = message.message.body { true } else { false }
    }
    #expect(isMuch ? lists > 0 || side == 0 : lists == 0)
    let windows = Set(pair.items.map(\.window))
    let blocks = Set(windows.map { SlotTree.block(of: $0) })
    // The comparison, the nodes down to blocks, and of each window the three signals.
    if !isMuch { #expect(pair.messages.count <= 2 * (2 + 2 * blocks.count + 3 * windows.count)) }
    #expect(pair.sources[0].tree == pair.sources[1].tree)
  }

  @Test("Where much of an hour differs its series are listed at once", arguments: [0, 1])
  func much(side: Int) {
    var generator = SeededGenerator(seed: 5)
    let items = (0..<400).map { ClusterItem($0, slots: 1, windows: 1, using: &generator) }
    var pair = RepairPair(items)
    for item in items {
      pair.sources[side].add(item)
      if item.number % 2 == 0 { pair.sources[1 - side].add(item) }
    }
    pair.exchange()
    let lists = pair.messages.count { message in
      if case .reply(.series, _) = message.message.body { true } else { false }
    }
    #expect(lists == 1 && pair.messages.count <= 16)
    #expect(pair.sources[0].tree == pair.sources[1].tree)
  }

  @Test("What reads found is compared one after the other, with pauses; what is asked for otherwise at once")
  func found() {
    var settings = AntiEntropy.Settings()
    (settings.exchangesMax, settings.pause) = (100, 1 << 60)
    var generator = SeededGenerator(seed: 3)
    var repair = AntiEntropy(settings, cursor: nil, using: &generator)
    let (own, other) = (NodeID("a"), NodeID("b"))
    repair.setDuties(Dictionary(uniqueKeysWithValues: (0..<20 as Range<UInt16>).map { ($0, [other]) }))
    let source = RepairReplica.View(
      identity: NodeIdentity(Hash128(high: 0, low: 1)), firstWindow: 0,
      trees: Dictionary(uniqueKeysWithValues: (0..<20 as Range<UInt16>).map { ($0, MerkleTree()) }),
      readiness: ReplicaReadiness(own, records: [:]), unavailable: [], epoch: 1)
    _ = repair.tick(now: 0, source)
    let round = repair.exchangeCount
    for slot in 5..<15 as Range<UInt16> { repair.urge(slot, with: other, isFound: true) }
    #expect(repair.wakeAt(now: 1) == 1 || repair.wakeAt(now: 1) <= settings.foundPause)
    for step in 1...4 as ClosedRange<UInt64> {
      _ = repair.tick(now: step * settings.foundPause, source)
      _ = repair.tick(now: step * settings.foundPause + 1, source)
      #expect(repair.exchangeCount == round + Int(step))
    }
    // Whoever asks for what waits already does not wait for its turn.
    for slot in 5..<15 as Range<UInt16> { repair.urge(slot, with: other) }
    _ = repair.tick(now: 4 * settings.foundPause + 2, source)
    // The four that are under way are compared once more, afterwards.
    #expect(repair.exchangeCount == round + 10 && repair.waitingCount == round + 14)
  }

  @Test("What expired on either side does not come back")
  func expiry() {
    for (left, right) in [(0, 3), (3, 0), (2, 3), (9, 0)] as [(Int64, Int64)] {
      var generator = SeededGenerator(seed: UInt64(left * 10 + right))
      let items = (0..<60).map { ClusterItem($0, slots: 1, windows: 6, using: &generator) }
      var pair = RepairPair(items)
      for item in items { pair.sources[item.number % 2].add(item) }
      pair.sources[0].expire(before: left)
      pair.sources[1].expire(before: right)
      pair.exchange()
      let floor = max(left, right)
      for source in pair.sources {
        #expect(source.rows.allSatisfy { $0.window >= source.firstWindow })
        #expect(source.rows.filter { $0.window >= floor } == Set(items.filter { $0.window >= floor }))
      }
      let lower = pair.sources[left < right ? 1 : 0].rows
      #expect(lower.allSatisfy { $0.window >= floor })
    }
  }

  @Test("What belongs to no time is compared whatever the windows are, and costs nothing where it is the same")
  func timeless() {
    for seed in 1...100 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var items = (0..<40).map { ClusterItem($0, slots: 1, windows: 6, using: &generator) }
      items += (0..<generator.below(60)).map { ClusterItem(timeless: 40 + $0, using: &generator) }
      var pair = RepairPair(items)
      for item in items {
        let side = generator.below(3)
        if side != 1 { pair.sources[0].add(item) }
        if side != 0 { pair.sources[1].add(item) }
      }
      let union = pair.sources[0].rows.union(pair.sources[1].rows)
      let before = pair.sources.map(\.rows)
      pair.sources[generator.below(2)].expire(before: 3)
      pair.exchange(windows: 2...4)
      for side in 0..<2 {
        let (rows, timeless) = (pair.sources[side].rows, union.filter { $0.window == SlotWindow.timeless })
        let compared = union.filter { (3...4).contains($0.window) }
        #expect(rows.filter { (3...4).contains($0.window) } == compared, "seed \(seed)")
        #expect(rows.filter { $0.window > 4 } == timeless.union(before[side].filter { $0.window > 4 }), "seed \(seed)")
      }
      #expect(pair.compared.map(\.windows) == [pair.sources[0].firstWindow == 3 ? .min...4 : 2...4], "seed \(seed)")
      let count = pair.messages.count
      pair.exchange(windows: 3...4)
      #expect(pair.messages.count == count + 2, "seed \(seed)")
    }
  }

  @Test("A side that leads and one that is led never owe more than the pace allows")
  func pace() {
    var settings = AntiEntropy.Settings()
    settings.bytesPerSecond = 10
    settings.seriesPerMessage = 1
    settings.timeout = 60_000_000_000
    var pair = pair(4, items: 120, share: 1, settings: settings)
    pair.exchange()
    let bytes = pair.messages.reduce(into: [0, 0]) { sum, message in
      switch message.message.body {
      case .question(.push(let payload)), .reply(.payload(let payload, _), _): sum[message.from] += payload.count
      default: break
      }
    }
    #expect(pair.sources[0].tree == pair.sources[1].tree && bytes.allSatisfy { $0 > 20 })
    // A second's worth at once, and what was owed at the end.
    for side in bytes { #expect(Double(side) <= 10 * Double(pair.now) / 1e9 + 10 + 10) }
  }

  @Test("A partner whose disk is replaced meanwhile, or that is not ready in one of its answers, does not count")
  func partner() {
    var pair = pair(8, items: 40, share: 0.5)
    pair.sources[1].isReady = false
    pair.exchange()
    #expect(pair.compared.map(\.wasReady) == [false])
    var generator = SeededGenerator(seed: 1)
    var repair = AntiEntropy(AntiEntropy.Settings(), cursor: nil, using: &generator)
    repair.urge(0, with: RepairPair.names[1])
    let source = pair.sources[0]
    guard case .summarize(let ticket, _, _)? = repair.tick(now: 0, source).first,
      case .send(_, let question)? = repair.summarized(ticket, source.tree.summary(.min ... .max), now: 0, source).first
    else {
      Issue.record("nothing is asked")
      return
    }
    func reply(
      _ number: UInt32, _ identity: UInt64, _ reply: RepairMessage.Reply, epoch: UInt64 = 5
    ) -> RepairMessage {
      RepairMessage(
        exchange: question.exchange, number: number, slot: 0, epoch: epoch, windows: question.windows,
        identity: NodeIdentity(Hash128(high: 0, low: identity)), body: .reply(reply, isReady: true))
    }
    let child = RepairMessage.Child(index: 0, digest: RangeDigest(high: 1, low: 1, count: 1))
    let nodes = RepairMessage.Reply.nodes(level: 1, [child])
    let next = repair.received(reply(question.number, 2, nodes), from: RepairPair.names[1], now: 1, source)
    let sent = next.compactMap { action in
      if case .send(_, let message) = action { message } else { nil as RepairMessage? }
    }
    guard let second = sent.first else {
      Issue.record("nothing more is asked")
      return
    }
    // One that knows a newer assignment ends it too.
    var ahead = repair
    let newer = reply(second.number, 2, .nodes(level: 0, []), epoch: 6)
    let behind = ahead.received(newer, from: RepairPair.names[1], now: 2, source)
    #expect(behind.first == .behind(RepairPair.names[1], slot: 0, epoch: 6) && behind.count == 2)
    let last = repair.received(reply(second.number, 3, .nodes(level: 0, [])), from: RepairPair.names[1], now: 2, source)
    guard case .unfinished? = last.first else {
      Issue.record("\(last)")
      return
    }
  }

  @Test("Rounds take every slot with every partner once, and go on at the cursor after a restart")
  func rounds() {
    var generator = SeededGenerator(seed: 2)
    var settings = AntiEntropy.Settings()
    settings.pause = 10
    let partners = [3: ["a", "b"], 1: ["c"], 9: ["a", "b"]].reduce(into: [UInt16: [NodeID]]()) {
      $0[UInt16($1.key)] = $1.value.map { NodeID($0) }
    }
    struct Everything: RepairSource {
      var identity: NodeIdentity { NodeIdentity(Hash128(high: 0, low: 1)) }
      var firstWindow: Int64 { 0 }
      var lastWindow: Int64 { .max }
      func holds(_ slot: UInt16) -> Bool { true }
      func epoch(of slot: UInt16) -> UInt64 { 1 }
      func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool { true }
      func fill(of slot: UInt16) -> UInt64 { 0 }
      func isAvailable(_ node: NodeID) -> Bool { node != NodeID("c") }
    }
    var (asked, cursor): ([String], AntiEntropy.Cursor?) = ([], nil)
    for _ in 0..<2 {
      var repair = AntiEntropy(settings, cursor: cursor, using: &generator)
      repair.setDuties(partners)
      for step in 0..<6 as Range<UInt64> {
        var actions = repair.tick(now: step * 10, Everything())
        while !actions.isEmpty {
          switch actions.removeFirst() {
          case .keep(let next): cursor = next
          case .summarize(let ticket, _, _):
            actions += repair.summarized(ticket, SlotTree(), now: step * 10, Everything())
          case .send(let node, let question):
            asked.append("\(question.slot)\(node)")
            let answer = RepairMessage(
              exchange: question.exchange, number: question.number, slot: question.slot, epoch: 1,
              windows: question.windows,
              identity: NodeIdentity(Hash128(high: 0, low: 2)), body: .reply(.same, isReady: true))
            _ = repair.received(answer, from: node, now: step * 10 + 1, Everything())
          default: break
          }
        }
      }
      #expect(repair.rounds == (asked.count == 6 ? 1 : 2))
    }
    #expect(asked == ["3a", "3b", "9a", "9b", "3a", "3b", "9a", "9b", "3a", "3b", "9a", "9b"])
  }

  @Test(
    "A planted mistake of an exchange is found within 200 seeds",
    arguments: [
      PlantedReadBug.pushesNothing, .merkleWithoutLastBucket,
    ])
  private func planted(_ bug: PlantedReadBug) {
    let found = (1...200 as ClosedRange<UInt64>).first { seed in
      var pair = pair(seed, items: 30, share: 0.3, bug: bug)
      let union = pair.sources[0].rows.union(pair.sources[1].rows)
      pair.exchange()
      return pair.sources[0].rows != union || pair.sources[1].rows != union
    }
    #expect(found != nil)
  }
}
