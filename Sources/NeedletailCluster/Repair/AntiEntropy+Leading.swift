import NeedletailTelemetry

extension AntiEntropy {
  // MARK: - Beginning and ending

  mutating func lead(_ asked: Urgent, _ now: UInt64, _ source: some RepairSource) -> [Action] {
    let first = max(asked.windows.lowerBound, source.firstWindow)
    guard source.holds(asked.slot), first <= asked.windows.upperBound else { return [] }
    exchanges.append(
      Exchange(
        number: makeNumber(), slot: asked.slot, partner: asked.partner, windows: first...asked.windows.upperBound,
        fill: source.fill(of: asked.slot), common: first...asked.windows.upperBound, settled: source.lastWindow))
    return pump(exchanges.count - 1, now, source)
  }

  private func place(of exchange: UInt64) -> Int? { exchanges.firstIndex { $0.number == exchange } }

  mutating func giveUp(_ number: UInt64, _ reason: String) -> [Action] {
    guard let place = place(of: number) else { return [] }
    let exchange = exchanges.remove(at: place)
    outbox.removeAll { message in
      if case .question = message.message.body { message.message.exchange == number } else { false }
    }
    return [.unfinished(slot: exchange.slot, partner: exchange.partner, reason: reason)]
  }

  /// A piece of work is done; with the last one the exchange is.
  mutating func finish(_ number: UInt64, _ question: UInt32, _ now: UInt64, _ source: some RepairSource) -> [Action] {
    guard let place = place(of: number), exchanges[place].open.removeValue(forKey: question) != nil else { return [] }
    return pump(place, now, source)
  }

  /// Begins as much work as may be open, and ends the exchange where none is left.
  private mutating func pump(_ place: Int, _ now: UInt64, _ source: some RepairSource) -> [Action] {
    var actions: [Action] = []
    while exchanges[place].open.count < settings.questionsMax, let work = exchanges[place].work.popLast() {
      if case .push(let node) = work, node.map({ $0.level > SlotTree.level }) ?? true {
        pushBeneath(node, place)
        continue
      }
      exchanges[place].lastQuestion += 1
      let number = exchanges[place].lastQuestion
      exchanges[place].open[number] = Exchange.Open(work: work)
      actions += ask(place, number, now, source)
    }
    if exchanges[place].isDone {
      let exchange = exchanges.remove(at: place)
      guard exchange.identity != nil else { return actions }
      differences.count(exchange.found)
      // What expired needs no comparison.
      let first = exchange.windows.lowerBound <= source.firstWindow ? .min : exchange.windows.lowerBound
      actions.append(
        .compared(
          ReplicaReadiness.Comparison(
            slot: exchange.slot, node: exchange.partner, wasReady: exchange.isPartnerReady,
            windows: first...exchange.windows.upperBound, fill: exchange.fill)))
    }
    return actions
  }

  /// The other one has nothing beneath a node above the blocks: one level of what is here.
  private mutating func pushBeneath(_ node: TreeNode?, _ place: Int) {
    guard let level = exchanges[place].tree?.children(of: node, within: exchanges[place].common) else { return }
    for child in level.nodes.reversed() {
      if let child = TreeNode(level: level.level, index: child.index) {
        exchanges[place].work.append(.push(beneath: child))
      }
    }
  }

  // MARK: - Asking

  private func question(
    _ place: Int, _ number: UInt32, _ question: RepairMessage.Question, _ source: some RepairSource
  ) -> RepairMessage {
    let exchange = exchanges[place]
    return RepairMessage(
      exchange: exchange.number, number: number, slot: exchange.slot, epoch: source.epoch(of: exchange.slot),
      windows: exchange.windows, identity: source.identity, body: .question(question))
  }

  /// Begins the work, or begins it anew where no answer came.
  private mutating func ask(_ place: Int, _ number: UInt32, _ now: UInt64, _ source: some RepairSource) -> [Action] {
    guard let open = exchanges[place].open[number] else { return [] }
    let (slot, partner, windows) = (exchanges[place].slot, exchanges[place].partner, exchanges[place].windows)
    let asked: RepairMessage.Question
    var actions: [Action] = []
    switch open.work {
    case .compare:
      guard let tree = exchanges[place].tree else {
        return [.summarize(takeTicket(place, number), slot: slot, windows: windows)]
      }
      asked = .compare(tree.root)
    case .expand(let node):
      if node.level <= SlotTree.level, open.attempts == 1 {
        actions.append(.expand(takeTicket(place, number), slot: slot, node: node, windows: windows))
      }
      asked = .expand(node)
    case .pull(let window, let bucket, let request): asked = .pull(window: window, bucket: bucket, request)
    case .bucket(let window, let bucket, let isHere, let isThere):
      if open.attempts == 1 {
        if isHere {
          let ticket = takeTicket(place, number)
          actions.append(.listSeries(ticket, slot: slot, window: window, bucket: bucket))
        }
        exchanges[place].open[number]?.here = isHere ? nil : []
        exchanges[place].open[number]?.there = isThere ? nil : []
      }
      guard isThere, open.there == nil else { return actions }
      asked = .list(window: window, bucket: bucket)
    case .give(let window, let bucket, let request):
      return [.readSeries(takeTicket(place, number), slot: slot, window: window, bucket: bucket, request)]
    case .push(let node):
      guard let node else { return [] }
      return [.expand(takeTicket(place, number), slot: slot, node: node, windows: exchanges[place].common)]
    }
    exchanges[place].open[number]?.deadline = now.addingReportingOverflow(settings.timeout).partialValue
    return actions + [.send(partner, question(place, number, asked, source))]
  }

  private mutating func takeTicket(_ place: Int, _ number: UInt32) -> Ticket {
    let ticket = makeNumber()
    errands[ticket] = .led(exchange: exchanges[place].number, number: number)
    return ticket
  }

  /// Rows went out: from now on their answer is awaited.
  mutating func setDeadline(of message: RepairMessage, _ now: UInt64) {
    guard let place = place(of: message.exchange) else { return }
    exchanges[place].open[message.number]?.deadline = now.addingReportingOverflow(settings.timeout).partialValue
  }

  mutating func checkTimeouts(_ now: UInt64, _ source: some RepairSource) -> [Action] {
    var actions: [Action] = []
    for exchange in exchanges.map(\.number) {
      guard let place = place(of: exchange) else { continue }
      let late = exchanges[place].open.filter { $0.value.deadline.map { $0 <= now } ?? false }.keys.sorted()
      if late.contains(where: { exchanges[place].open[$0]?.attempts ?? 0 >= settings.attempts }) {
        actions += giveUp(exchange, "no answer")
        continue
      }
      for number in late {
        exchanges[place].open[number]?.attempts += 1
        exchanges[place].open[number]?.deadline = nil
        actions += ask(place, number, now, source)
      }
    }
    return actions
  }

  // MARK: - Answers

  mutating func heard(
    _ message: RepairMessage, _ reply: RepairMessage.Reply, isReady: Bool, from node: NodeID, _ now: UInt64,
    _ source: some RepairSource
  ) -> [Action] {
    guard let place = place(of: message.exchange), exchanges[place].partner == node,
      let open = exchanges[place].open[message.number], !open.isStoring
    else {
      unheard += 1
      return []
    }
    if let identity = exchanges[place].identity, identity != message.identity {
      return giveUp(message.exchange, "the other replica's disk was replaced meanwhile")
    }
    if message.epoch > source.epoch(of: message.slot) {
      return [.behind(node, slot: message.slot, epoch: message.epoch)]
        + giveUp(message.exchange, "the other replica knows a newer assignment")
    }
    exchanges[place].identity = message.identity
    if !isReady { exchanges[place].isPartnerReady = false }
    exchanges[place].common = exchanges[place].common.clamped(to: message.windows)
    switch (open.work, reply) {
    case (.compare, .same): break
    case (.compare, .nodes(let level, let children)) where level >= SlotTree.level:
      compare(children, at: level, beneath: nil, place)
    case (.expand(let asked), .nodes(let level, let children)) where asked.level > level && level >= SlotTree.level:
      compare(children, at: level, beneath: asked, place)
    case (.expand(let asked), .nodes(level: 0, let children)) where asked.level == SlotTree.level:
      exchanges[place].open[message.number]?.nodesThere = children
      exchanges[place].open[message.number]?.deadline = nil
      return compareChildren(place, message.number, now, source)
    case (.expand(let asked), .buckets(let children)) where asked.level == 0:
      exchanges[place].open[message.number]?.nodesThere = children
      exchanges[place].open[message.number]?.deadline = nil
      return compareChildren(place, message.number, now, source)
    case (.bucket, .series(let series)):
      exchanges[place].open[message.number]?.there = series
      exchanges[place].open[message.number]?.deadline = nil
      return compareSeries(place, message.number, now, source)
    case (.pull(let window, let bucket, _), .payload(let payload, let rest)):
      guard goOn(place, rest.map { .pull(window: window, bucket: bucket, $0) }) else {
        return giveUp(message.exchange, "there is no end of what the other replica has")
      }
      return take(payload, place, message.number, now, source)
    case (.give, .stored): break
    default:
      unheard += 1
      return []
    }
    return finish(message.exchange, message.number, now, source)
  }

  /// What did not go into one message is to be brought by another one; false where there is no end of it.
  ///
  /// What is read twice, because no answer came, may be cut elsewhere the second time: both rests count.
  private mutating func goOn(_ place: Int, _ work: Exchange.Work?) -> Bool {
    guard let work else { return true }
    exchanges[place].continuations += 1
    exchanges[place].work.append(work)
    return exchanges[place].continuations <= settings.continuationsMax
  }

  private mutating func take(
    _ payload: [UInt8], _ place: Int, _ number: UInt32, _ now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    let (slot, exchange) = (exchanges[place].slot, exchanges[place].number)
    exchanges[place].open[number]?.isStoring = true
    exchanges[place].open[number]?.deadline = nil
    let store = Action.store(takeTicket(place, number), slot: slot, payload: payload)
    return [store] + (bug == .endsBeforeStored ? finish(exchange, number, now, source) : [])
  }

  /// What this side has came, and with it what is to be asked.
  mutating func ledSummarized(
    _ exchange: UInt64, _ number: UInt32, _ tree: SlotTree, _ now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    guard let place = place(of: exchange), exchanges[place].tree == nil else { return [] }
    exchanges[place].tree = tree
    return ask(place, number, now, source)
  }

  /// What is beneath a block or a window of this side came.
  mutating func ledExpanded(
    _ exchange: UInt64, _ number: UInt32, _ children: [RepairMessage.Child], _ now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    guard let place = place(of: exchange), let open = exchanges[place].open[number] else { return [] }
    guard case .push(let node?) = open.work else {
      exchanges[place].open[number]?.nodesHere = children
      return compareChildren(place, number, now, source)
    }
    bring(children, [], of: node, place)
    return finish(exchange, number, now, source)
  }

  private mutating func compare(
    _ there: [RepairMessage.Child], at level: UInt8, beneath node: TreeNode?, _ place: Int
  ) {
    guard let tree = exchanges[place].tree else { return }
    let here = tree.nodes(at: level, beneath: node, within: exchanges[place].common)
    for index in Self.differing(here, there) {
      guard let child = TreeNode(level: level, index: index) else { continue }
      let isThere = there.contains { $0.index == index }
      exchanges[place].work.append(isThere ? .expand(child) : .push(beneath: child))
    }
  }

  /// Where both sides told what is beneath a block or a window.
  private mutating func compareChildren(
    _ place: Int, _ number: UInt32, _ now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    guard let open = exchanges[place].open[number], let here = open.nodesHere, let there = open.nodesThere,
      case .expand(let node) = open.work
    else { return [] }
    bring(here, there, of: node, place)
    return finish(exchanges[place].number, number, now, source)
  }

  /// Those of which the two sides do not have the same, descending: the last one is worked on first.
  private static func differing(_ here: [RepairMessage.Child], _ there: [RepairMessage.Child]) -> [Int64] {
    let mine = Dictionary(here.map { ($0.index, $0.digest) }) { first, _ in first }
    let theirs = Dictionary(there.map { ($0.index, $0.digest) }) { first, _ in first }
    return Set(mine.keys).union(theirs.keys).sorted(by: >).filter { mine[$0] != theirs[$0] }
  }

  /// What differs beneath a block or a window is to be compared further, asked for or given.
  private mutating func bring(
    _ here: [RepairMessage.Child], _ there: [RepairMessage.Child], of node: TreeNode, _ place: Int
  ) {
    let common = exchanges[place].common
    let mine = Dictionary(here.map { ($0.index, $0.digest) }) { first, _ in first }
    let theirs = Dictionary(there.map { ($0.index, $0.digest) }) { first, _ in first }
    let differing = Self.differing(here, there)
    guard node.level == 0 else {
      for window in differing where common.compares(window) {
        exchanges[place].found.note(window, settledUpTo: exchanges[place].settled)
        exchanges[place].work += works(ofWindow: window, mine[window], theirs[window])
      }
      return
    }
    guard common.compares(node.index) else { return }
    for signal in (0..<RepairMessage.signalCount).reversed() {
      let numbers = Int64(signal * SlotMap.bucketCount)..<Int64((signal + 1) * SlotMap.bucketCount)
      let buckets = differing.filter { numbers.contains($0) }
      let isFew = [here, there].allSatisfy { side in
        // What another node tells may be any number.
        let counts = side.filter { numbers.contains($0.index) }.map { min($0.digest.count, settings.unlistedMax + 1) }
        return counts.reduce(0, +) <= settings.unlistedMax
      }
      if buckets.count > settings.listedBucketsMax, isFew {
        exchanges[place].work.append(
          .bucket(window: node.index, bucket: RepairMessage.Bucket.all(of: signal), isHere: true, isThere: true))
        continue
      }
      for bucket in buckets {
        guard let number = UInt8(exactly: bucket) else { continue }
        exchanges[place].work += works(ofBucket: number, node.index, mine[bucket], theirs[bucket])
      }
    }
  }

  /// A window that only one side has is moved as it is, where it is not so much that its parts have to be named.
  private func works(ofWindow window: Int64, _ here: RangeDigest?, _ there: RangeDigest?) -> [Exchange.Work] {
    guard here == nil || there == nil, (here ?? there)?.count ?? 0 <= settings.unlistedMax else {
      return [there == nil ? .push(beneath: .window(window)) : .expand(.window(window))]
    }
    return (0..<RepairMessage.signalCount).flatMap { signal in
      unlisted(RepairMessage.Bucket.all(of: signal), window, isHere: there == nil)
    }
  }

  /// The same of a bucket.
  private func works(
    ofBucket bucket: UInt8, _ window: Int64, _ here: RangeDigest?, _ there: RangeDigest?
  ) -> [Exchange.Work] {
    guard here == nil || there == nil, (here ?? there)?.count ?? 0 <= settings.unlistedMax else {
      return [.bucket(window: window, bucket: bucket, isHere: here != nil, isThere: there != nil)]
    }
    return unlisted(bucket, window, isHere: there == nil)
  }

  /// All of a bucket or signal, without a list of its series.
  private func unlisted(_ bucket: UInt8, _ window: Int64, isHere: Bool) -> [Exchange.Work] {
    let all = SlotExport.Request(RepairMessage.Bucket(bucket).share)
    guard isHere else { return [.pull(window: window, bucket: bucket, all)] }
    return bug == .pushesNothing ? [] : [.give(window: window, bucket: bucket, all)]
  }

  mutating func ledListed(
    _ exchange: UInt64, _ number: UInt32, _ series: [RepairMessage.Series], _ now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    guard let place = place(of: exchange), exchanges[place].open[number] != nil else { return [] }
    exchanges[place].open[number]?.here = series
    return compareSeries(place, number, now, source)
  }

  /// Where both lists are there: what either side lacks, or has otherwise, is brought to it.
  private mutating func compareSeries(
    _ place: Int, _ number: UInt32, _ now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    guard let open = exchanges[place].open[number], let here = open.here, let there = open.there,
      case .bucket(let window, let bucket, _, _) = open.work
    else { return [] }
    let mine = Dictionary(here.map { ($0.id, $0.digest) }) { first, _ in first }
    let theirs = Dictionary(there.map { ($0.id, $0.digest) }) { first, _ in first }
    let pulls = theirs.keys.filter { mine[$0] != theirs[$0] }.sorted()
    let gives = bug == .pushesNothing ? [] : mine.keys.filter { theirs[$0] != mine[$0] }.sorted()
    for start in stride(from: 0, to: gives.count, by: max(1, settings.seriesPerMessage)) {
      let end = min(gives.count, start + max(1, settings.seriesPerMessage))
      let request = SlotExport.Request(keys: Array(gives[start..<end]))
      exchanges[place].work.append(.give(window: window, bucket: bucket, request))
    }
    for start in stride(from: 0, to: pulls.count, by: max(1, settings.seriesPerMessage)) {
      let end = min(pulls.count, start + max(1, settings.seriesPerMessage))
      let request = SlotExport.Request(keys: Array(pulls[start..<end]))
      exchanges[place].work.append(.pull(window: window, bucket: bucket, request))
    }
    return finish(exchanges[place].number, number, now, source)
  }

  mutating func ledRead(
    _ exchange: UInt64, _ number: UInt32, _ payload: [UInt8], _ rest: SlotExport.Request?, _ now: UInt64,
    _ source: some RepairSource
  ) -> [Action] {
    guard let place = place(of: exchange), let open = exchanges[place].open[number],
      case .give(let window, let bucket, _) = open.work
    else { return [] }
    guard goOn(place, rest.map { .give(window: window, bucket: bucket, $0) }) else {
      return giveUp(exchange, "there is no end of what is to be given")
    }
    // There may be nothing of a signal.
    guard !payload.isEmpty else { return finish(exchange, number, now, source) }
    return post(
      question(place, number, .push(payload: payload), source), payload.count, to: exchanges[place].partner, now)
  }
}
