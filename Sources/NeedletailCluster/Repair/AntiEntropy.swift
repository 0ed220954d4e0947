// Compares the slots of a node with their other replicas, one after the other, for ever, and brings both sides what
// they lack. It is what convergence rests on: hints and read repair only make it come sooner. This file decides whom
// to compare with next; `+Leading` asks, `+Serving` answers.

import NeedletailTelemetry

/// The repair of one node.
///
/// What a crash takes of it is exchanges under way, which begin anew in the next round; what was stored stays, and the
/// rounds go on at the cursor.
package struct AntiEntropy: Sendable {
  package struct Settings: Sendable {
    /// Ns from the start of one exchange of the rounds to that of the next one.
    package var pause: UInt64 = 200_000_000
    /// Ns from the start of one exchange that reads asked for to that of the next one: where rows are being written and
    /// read all the time, replicas differ all the time.
    package var foundPause: UInt64 = 100_000_000
    /// Exchanges that are led at a time.
    package var exchangesMax = 2
    /// Questions of an exchange that are open at a time.
    package var questionsMax = 4
    /// Ns that a question waits for its answer, and how often it is asked.
    package var timeout: UInt64 = 10_000_000_000
    package var attempts = 3
    /// Bytes of rows that go out in a second, asked for or not.
    package var bytesPerSecond: UInt64 = 8 << 20
    /// Reads and stores for others under way at a time, and digests and lists; what is asked beyond is not heard, and
    /// asked again.
    package var servedMax = 8
    package var servedDigestsMax = 64
    /// Exchanges asked for out of turn that wait, at the most, of those that reads asked for and of others; those of
    /// fills are not counted, of which there is one for a slot and a partner.
    package var urgentMax = 4096
    /// Series that are asked for or sent in one message.
    package var seriesPerMessage = 512
    /// Rows of an hour, by their digest, that are asked for or given without a list of their series: as many as a list
    /// may have series, so that it never is too long.
    package var unlistedMax = UInt64(RepairMessage.seriesMax)
    /// How many buckets of a signal may differ and be listed one by one: each costs a look at all series of the slot.
    package var listedBucketsMax = 2
    /// How often an exchange asks for what did not go into one message.
    package var continuationsMax = 1 << 16

    package init() {}
  }

  /// Where the rounds go on.
  package struct Cursor: Hashable, Comparable, Sendable {
    package var slot: UInt16
    package var partner: NodeID

    package init(slot: UInt16, partner: NodeID) {
      self.slot = slot
      self.partner = partner
    }

    package static func < (left: Self, right: Self) -> Bool {
      left.slot != right.slot ? left.slot < right.slot : left.partner < right.partner
    }
  }

  /// A number that tells what a read or a store of the shell belongs to.
  package typealias Ticket = UInt64

  package enum Action: Equatable, Sendable {
    case send(NodeID, RepairMessage)
    /// Tell what the slot has within the windows, without what expired: `summarized`. It is made from then on, so that
    /// it has all that was stored before.
    case summarize(Ticket, slot: UInt16, windows: ClosedRange<Int64>)
    /// Tell what is beneath a node, of what has not expired: the windows of a block within these, the buckets of a
    /// window: `expanded`.
    case expand(Ticket, slot: UInt16, node: TreeNode, windows: ClosedRange<Int64>)
    /// Tell the series of a bucket, or of a signal (`RepairMessage.Bucket`): `listed`.
    case listSeries(Ticket, slot: UInt16, window: Int64, bucket: UInt8)
    /// Read these series of a bucket or signal, or all, within the window: `read`, as much as goes into one message.
    case readSeries(Ticket, slot: UInt16, window: Int64, bucket: UInt8, SlotExport.Request)
    /// Add these rows to what is there: `stored`, when they are on disk.
    case store(Ticket, slot: UInt16, payload: [UInt8])
    /// The slot is as whole as the other one was: for `ReplicaReadiness`.
    case compared(ReplicaReadiness.Comparison)
    /// The node knows a newer assignment of the slot: learn it, and keep it on disk. Until then the two do not
    /// compare it.
    case behind(NodeID, slot: UInt16, epoch: UInt64)
    /// Note where the rounds go on; losing it costs time alone.
    case keep(Cursor)
    /// The exchange ended early; the next round tries again.
    case unfinished(slot: UInt16, partner: NodeID, reason: String)
  }

  struct Urgent {
    var slot: UInt16
    var partner: NodeID
    var windows: ClosedRange<Int64>
  }

  /// Whose read or store a ticket stands for.
  enum Errand: Sendable {
    /// Of an exchange that is led, for one of its questions.
    case led(exchange: UInt64, number: UInt32)
    /// For another node's question; with whether this one was ready before it began.
    case served(RepairMessage, to: NodeID, wasReady: Bool)
  }

  let settings: Settings
  /// What there is to compare in a round, ascending.
  private var duties: [Cursor] = []
  private var next: Cursor?
  private var nextAt: UInt64 = 0
  /// What waits out of turn: one comparison of a slot with a partner, over all windows that were named.
  private var waiting: [Cursor: ClosedRange<Int64>] = [:]
  /// The order in which it goes; fills go ahead of the others, and what reads found comes last and slowly.
  private var fills: [Cursor] = []
  private var urgent: [Cursor] = []
  private var found: [Cursor] = []
  private var foundAt: UInt64 = 0
  var exchanges: [Exchange] = []
  var errands: [Ticket: Errand] = [:]
  var servedCount = 0
  var servedDigestsCount = 0
  private var lastNumber: UInt64
  var throttle: ByteThrottle
  /// Rows that wait until the throttle lets them go; what is open bounds them.
  var outbox: [(to: NodeID, message: RepairMessage, bytes: Int)] = []
  /// How often the rounds came round.
  package private(set) var rounds = 0
  /// Messages that were not heard: of no use any more, malformed in what they say, or too many.
  package var unheard = 0
  var bug: PlantedReadBug?

  /// `generator` makes the numbers of exchanges others than those before a restart.
  package init(_ settings: Settings, cursor: Cursor?, using generator: inout some RandomNumberGenerator) {
    self.settings = settings
    next = cursor
    lastNumber = generator.next()
    throttle = ByteThrottle(bytesPerSecond: settings.bytesPerSecond)
  }

  /// Exchanges that were led to their end and found that the two differ.
  package struct Differences: Equatable, Sendable {
    /// In windows that had settled when the exchange began.
    package var settled = 0
    /// Of the others those that differ in what belongs to no time, the descriptions of metrics.
    package var timeless = 0
    /// And those that differ in windows alone to which rows were still on their way.
    package var recent = 0

    package init() {}

    mutating func count(_ found: FoundDifferences) {
      if found.settled { settled += 1 } else if found.timeless { timeless += 1 } else if found.recent { recent += 1 }
    }
  }

  package internal(set) var differences = Differences()

  /// Exchanges asked for out of turn that have not begun, and all that are under way.
  package var waitingCount: Int { waiting.count + exchanges.count }

  /// How many exchanges this node leads at the moment.
  package var exchangeCount: Int { exchanges.count }

  /// The slots of this node, and who else has them.
  package mutating func setDuties(_ partners: [UInt16: [NodeID]]) {
    duties = partners.flatMap { slot, nodes in Set(nodes).map { Cursor(slot: slot, partner: $0) } }.sorted()
    let isGone = { (asked: Cursor) in !(partners[asked.slot]?.contains(asked.partner) ?? false) }
    fills.removeAll(where: isGone)
    urgent.removeAll(where: isGone)
    found.removeAll(where: isGone)
    waiting = waiting.filter { !isGone($0.key) }
  }

  /// Compares out of turn: a slot that is being filled, one that was asked for, or one of which a read found that it
  /// lags.
  ///
  /// What is asked for twice waits once, over the windows of both. Fills go first and are never dropped: their slots and
  /// partners bound them; of the others the rounds have to do beyond `urgentMax`. Returns whether it waits anew.
  @discardableResult
  package mutating func urge(
    _ slot: UInt16, with partner: NodeID, windows: ClosedRange<Int64> = .min ... .max, isFill: Bool = false,
    isFound: Bool = false
  ) -> Bool {
    let asked = Cursor(slot: slot, partner: partner)
    if let before = waiting[asked] {
      waiting[asked] =
        min(before.lowerBound, windows.lowerBound)...max(before.upperBound, windows.upperBound)
      if isFill, let place = urgent.firstIndex(of: asked) { fills.append(urgent.remove(at: place)) }
      if !isFound, let place = found.firstIndex(of: asked) {
        found.remove(at: place)
        if isFill { fills.append(asked) } else { urgent.append(asked) }
      }
      return false
    }
    guard isFill || (isFound ? found : urgent).count < settings.urgentMax else { return false }
    waiting[asked] = windows
    if isFill { fills.append(asked) } else if isFound { found.append(asked) } else { urgent.append(asked) }
    return true
  }

  mutating func makeNumber() -> UInt64 {
    lastNumber &+= 1
    return lastNumber
  }

  /// When `tick` has to be called next.
  package func wakeAt(now: UInt64) -> UInt64 {
    var times = exchanges.flatMap { $0.open.values.compactMap(\.deadline) }
    if exchanges.count < settings.exchangesMax, !duties.isEmpty {
      let later = min(nextAt, found.isEmpty ? .max : foundAt)
      let isMore = fills.contains { !isUnderWay($0.slot) } || urgent.contains { !isUnderWay($0.slot, $0.partner) }
      times.append(isMore ? now : later)
    }
    if !outbox.isEmpty { times.append(throttle.readyAt) }
    return times.min() ?? .max
  }

  /// Sends what may go by now, asks again what was not answered, and begins what is next.
  package mutating func tick(now: UInt64, _ source: some RepairSource) -> [Action] {
    var actions = flush(now)
    actions += checkTimeouts(now, source)
    while exchanges.count < settings.exchangesMax, let asked = takeUrgent(source) {
      actions += lead(asked, now, source)
    }
    if exchanges.count < settings.exchangesMax, now >= foundAt, let asked = takeFound(source) {
      foundAt = now.addingReportingOverflow(settings.foundPause).partialValue
      actions += lead(asked, now, source)
    }
    if exchanges.count < settings.exchangesMax, now >= nextAt, !duties.isEmpty {
      nextAt = now.addingReportingOverflow(settings.pause).partialValue
      if let duty = takeDuty(source) {
        if let next { actions.append(.keep(next)) }
        let asked = Urgent(slot: duty.slot, partner: duty.partner, windows: .min...source.lastWindow)
        actions += lead(asked, now, source)
      }
    }
    return actions
  }

  private func isUnderWay(_ slot: UInt16, _ partner: NodeID) -> Bool {
    exchanges.contains { $0.slot == slot && $0.partner == partner }
  }

  private func isUnderWay(_ slot: UInt16) -> Bool { exchanges.contains { $0.slot == slot } }

  private mutating func takeUrgent(_ source: some RepairSource) -> Urgent? {
    // A slot that is being filled from one partner has most of what another one would give it once that is done.
    take(from: \.fills, source) { !$0.isUnderWay($1.slot) } ?? take(from: \.urgent, source)
  }

  private mutating func takeFound(_ source: some RepairSource) -> Urgent? { take(from: \.found, source) }

  /// The first that waits there whose partner is there and not busy with the same slot, and of which this holds.
  private mutating func take(
    from list: WritableKeyPath<Self, [Cursor]>, _ source: some RepairSource,
    where isWanted: (Self, Cursor) -> Bool = { _, _ in true }
  ) -> Urgent? {
    let place = self[keyPath: list].firstIndex { asked in
      source.isAvailable(asked.partner) && !isUnderWay(asked.slot, asked.partner) && isWanted(self, asked)
    }
    guard let place else { return nil }
    let asked = self[keyPath: list].remove(at: place)
    guard let windows = waiting.removeValue(forKey: asked) else { return nil }
    return Urgent(slot: asked.slot, partner: asked.partner, windows: windows)
  }

  /// The next one whose partner is there; of those that are not, some are passed over at a time.
  private mutating func takeDuty(_ source: some RepairSource) -> Cursor? {
    for _ in 0..<min(duties.count, 64) {
      let place = next.map { position(of: $0) } ?? 0
      let duty = duties[place]
      if place + 1 == duties.count { rounds += 1 }
      next = duties[(place + 1) % duties.count]
      if source.isAvailable(duty.partner), !isUnderWay(duty.slot, duty.partner) { return duty }
    }
    return nil
  }

  /// Where the first duty that is not before the cursor stands; the first of all behind the last.
  private func position(of cursor: Cursor) -> Int {
    var (low, high) = (0, duties.count)
    while low < high {
      let middle = (low + high) / 2
      if duties[middle] < cursor { low = middle + 1 } else { high = middle }
    }
    return low == duties.count ? 0 : low
  }

  /// Sends rows as far as the throttle lets them go.
  mutating func flush(_ now: UInt64) -> [Action] {
    var actions: [Action] = []
    while let first = outbox.first, throttle.take(first.bytes, now: now) {
      outbox.removeFirst()
      if case .question = first.message.body { setDeadline(of: first.message, now) }
      actions.append(.send(first.to, first.message))
    }
    return actions
  }

  // MARK: - What the shell did

  private mutating func errand(_ ticket: Ticket) -> Errand? {
    guard let errand = errands.removeValue(forKey: ticket) else { return nil }
    if case .served(let question, _, _) = errand {
      if question.movesRows { servedCount -= 1 } else { servedDigestsCount -= 1 }
    }
    return errand
  }

  /// What the slot has within the windows that were named.
  package mutating func summarized(
    _ ticket: Ticket, _ tree: SlotTree, now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    switch errand(ticket) {
    case .led(let exchange, let number): ledSummarized(exchange, number, tree, now, source)
    case .served(let question, let node, let wasReady):
      [.send(node, question.reply(question.answer(from: tree), wasReady: wasReady, source))]
    case nil: []
    }
  }

  /// What is beneath the node that was named, ascending, without what is empty.
  package mutating func expanded(
    _ ticket: Ticket, _ children: [RepairMessage.Child], now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    switch errand(ticket) {
    case .led(let exchange, let number): return ledExpanded(exchange, number, children, now, source)
    case .served(let question, let node, let wasReady):
      guard case .question(.expand(let asked)) = question.body else { return [] }
      let reply: RepairMessage.Reply = asked.level == 0 ? .buckets(children) : .nodes(level: 0, children)
      return [.send(node, question.reply(reply, wasReady: wasReady, source))]
    case nil: return []
    }
  }

  /// The series of a bucket, each once.
  package mutating func listed(
    _ ticket: Ticket, _ series: [RepairMessage.Series], now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    switch errand(ticket) {
    case .led(let exchange, let number): ledListed(exchange, number, series, now, source)
    case .served(let question, let node, let wasReady):
      [.send(node, question.reply(.series(series), wasReady: wasReady, source))]
    case nil: []
    }
  }

  /// Rows of some series, and what did not go into one message.
  package mutating func read(
    _ ticket: Ticket, _ payload: [UInt8], rest: SlotExport.Request? = nil, now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    switch errand(ticket) {
    case .led(let exchange, let number): ledRead(exchange, number, payload, rest, now, source)
    case .served(let question, let node, let wasReady):
      post(question.reply(.payload(payload, rest: rest), wasReady: wasReady, source), payload.count, to: node, now)
    case nil: []
    }
  }

  /// Rows are on disk.
  package mutating func stored(_ ticket: Ticket, now: UInt64, _ source: some RepairSource) -> [Action] {
    switch errand(ticket) {
    case .led(let exchange, let number): finish(exchange, number, now, source)
    case .served(let question, let node, let wasReady):
      [.send(node, question.reply(.stored, wasReady: wasReady, source))]
    case nil: []
    }
  }

  /// A read or store failed. Of another node's question nothing is answered: it asks again.
  package mutating func failed(
    _ ticket: Ticket, _ reason: String, now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    guard case .led(let exchange, _)? = errand(ticket) else { return [] }
    return giveUp(exchange, reason)
  }

  mutating func post(_ message: RepairMessage, _ bytes: Int, to node: NodeID, _ now: UInt64) -> [Action] {
    outbox.append((node, message, bytes))
    return flush(now)
  }
}
