import NeedletailTelemetry

extension AntiEntropy {
  // MARK: - Beginning and ending

  mutating func lead(_ asked: Urgent, _ now: UInt64, _ source: some RepairSource) -> [Action] {
    let first = max(asked.windows.lowerBound, source.firstWindow)
    guard source.tree(of: asked.slot) != nil, first <= asked.windows.upperBound else { return [] }
    exchanges.append(
      Exchange(
        number: makeNumber(), slot: asked.slot, partner: asked.partner, windows: first...asked.windows.upperBound,
        fill: source.fill(of: asked.slot)))
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
      if case .push(let node) = work {
        pushBeneath(node, place, source)
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

  /// The other one has nothing beneath: one level of what is here, or the buckets of a window.
  private mutating func pushBeneath(_ node: TreeNode?, _ place: Int, _ source: some RepairSource) {
    guard let tree = source.tree(of: exchanges[place].slot) else { return }
    if let node, node.level == 0 {
      for bucket in tree.buckets(of: node.index) {
        exchanges[place].work.append(
          .bucket(window: node.index, bucket: bucket.bucket, isHere: true, isThere: false))
      }
      return
    }
    let level = tree.children(of: node, within: exchanges[place].windows)
    for child in level.digests.reversed() {
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
    case .compare: asked = .compare(source.tree(of: slot)?.digest(windows) ?? RangeDigest())
    case .expand(let node): asked = .expand(node)
    case .pull(let window, let series): asked = .pull(window: window, series: series)
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
    case .give(let window, let series):
      return [.readSeries(takeTicket(place, number), slot: slot, window: window, series: series)]
    case .push: return []
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
    let windows = message.windows.clamped(to: exchanges[place].windows)
    switch (open.work, reply) {
    case (.compare, .same): break
    case (.compare, .nodes(let level, let children)):
      compare(children, at: level, beneath: nil, within: windows, place, source)
    case (.expand(let asked), .nodes(let level, let children)) where asked.level > 0:
      compare(children, at: level, beneath: asked, within: windows, place, source)
    case (.expand(let asked), .buckets(let children)) where asked.level == 0:
      compare(children, of: asked.index, isWanted: windows.contains(asked.index), place, source)
    case (.bucket, .series(let series)):
      exchanges[place].open[message.number]?.there = series
      exchanges[place].open[message.number]?.deadline = nil
      return compareSeries(place, message.number, now, source)
    case (.pull, .payload(let payload)):
      return take(payload, place, message.number, now, source)
    case (.give, .stored): break
    default:
      unheard += 1
      return []
    }
    return finish(message.exchange, message.number, now, source)
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

  private mutating func compare(
    _ there: [RepairMessage.Child], at level: UInt8, beneath node: TreeNode?, within windows: ClosedRange<Int64>,
    _ place: Int, _ source: some RepairSource
  ) {
    guard let tree = source.tree(of: exchanges[place].slot) else { return }
    let here = tree.nodes(at: level, beneath: node, within: windows)
    if there.isEmpty {
      if !here.digests.isEmpty { exchanges[place].work.append(.push(beneath: node)) }
      return
    }
    let mine = Dictionary(uniqueKeysWithValues: here.digests.map { ($0.index, $0.digest) })
    let theirs = Dictionary(there.map { ($0.index, $0.digest) }) { first, _ in first }
    for index in Set(mine.keys).union(theirs.keys).sorted(by: >) where mine[index] != theirs[index] {
      guard let child = TreeNode(level: level, index: index) else { continue }
      exchanges[place].work.append(theirs[index] == nil ? .push(beneath: child) : .expand(child))
    }
  }

  private mutating func compare(
    _ there: [RepairMessage.Child], of window: Int64, isWanted: Bool, _ place: Int, _ source: some RepairSource
  ) {
    guard isWanted, let tree = source.tree(of: exchanges[place].slot) else { return }
    let mine = Dictionary(uniqueKeysWithValues: tree.buckets(of: window).map { (Int64($0.bucket), $0.digest) })
    let theirs = Dictionary(there.map { ($0.index, $0.digest) }) { first, _ in first }
    for index in Set(mine.keys).union(theirs.keys).sorted(by: >) where mine[index] != theirs[index] {
      guard let bucket = UInt8(exactly: index), Int(bucket) < MerkleTree.bucketCount else { continue }
      exchanges[place].work.append(
        .bucket(window: window, bucket: bucket, isHere: mine[index] != nil, isThere: theirs[index] != nil))
    }
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
      case .bucket(let window, _, _, _) = open.work
    else { return [] }
    let mine = Dictionary(here.map { ($0.id, $0.digest) }) { first, _ in first }
    let theirs = Dictionary(there.map { ($0.id, $0.digest) }) { first, _ in first }
    let pulls = theirs.keys.filter { mine[$0] != theirs[$0] }.sorted()
    let gives = bug == .pushesNothing ? [] : mine.keys.filter { theirs[$0] != mine[$0] }.sorted()
    for start in stride(from: 0, to: gives.count, by: max(1, settings.seriesPerMessage)) {
      let end = min(gives.count, start + max(1, settings.seriesPerMessage))
      exchanges[place].work.append(.give(window: window, series: Array(gives[start..<end])))
    }
    for start in stride(from: 0, to: pulls.count, by: max(1, settings.seriesPerMessage)) {
      let end = min(pulls.count, start + max(1, settings.seriesPerMessage))
      exchanges[place].work.append(.pull(window: window, series: Array(pulls[start..<end])))
    }
    return finish(exchanges[place].number, number, now, source)
  }

  mutating func ledRead(
    _ exchange: UInt64, _ number: UInt32, _ payload: [UInt8], _ now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    guard let place = place(of: exchange), exchanges[place].open[number] != nil else { return [] }
    return post(
      question(place, number, .push(payload: payload), source), payload.count, to: exchanges[place].partner, now)
  }
}
