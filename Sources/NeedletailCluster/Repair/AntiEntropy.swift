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
    /// Exchanges that are led at a time.
    package var exchangesMax = 2
    /// Questions of an exchange that are open at a time.
    package var questionsMax = 4
    /// Ns that a question waits for its answer, and how often it is asked.
    package var timeout: UInt64 = 10_000_000_000
    package var attempts = 3
    /// Bytes of rows that go out in a second, asked for or not.
    package var bytesPerSecond: UInt64 = 8 << 20
    /// Reads and stores for others under way at a time; what is asked beyond is not heard, and asked again.
    package var servedMax = 8
    /// Exchanges asked for out of turn that wait, at the most.
    package var urgentMax = 4096
    /// Series that are asked for or sent in one message.
    package var seriesPerMessage = 64

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
    /// Tell the series of a bucket: `listed`.
    case listSeries(Ticket, slot: UInt16, window: Int64, bucket: UInt8)
    /// Read these series within the window: `read`.
    case readSeries(Ticket, slot: UInt16, window: Int64, series: [Hash128])
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

  struct Urgent: Hashable {
    var slot: UInt16
    var partner: NodeID
    var windows: ClosedRange<Int64>
  }

  /// Whose read or store a ticket stands for.
  enum Errand: Sendable {
    /// Of an exchange that is led, for one of its questions.
    case led(exchange: UInt64, number: UInt32)
    /// For another node's question.
    case served(RepairMessage, to: NodeID)
  }

  let settings: Settings
  /// What there is to compare in a round, ascending.
  private var duties: [Cursor] = []
  private var next: Cursor?
  private var nextAt: UInt64 = 0
  private var urgent: [Urgent] = []
  var exchanges: [Exchange] = []
  var errands: [Ticket: Errand] = [:]
  var servedCount = 0
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

  /// The slots of this node, and who else has them.
  package mutating func setDuties(_ partners: [UInt16: [NodeID]]) {
    duties = partners.flatMap { slot, nodes in Set(nodes).map { Cursor(slot: slot, partner: $0) } }.sorted()
    urgent.removeAll { !(partners[$0.slot]?.contains($0.partner) ?? false) }
  }

  /// Compares out of turn: a slot that is being filled, or one of which a read found that it lags.
  ///
  /// What is asked for twice waits once; beyond `urgentMax` the rounds have to do.
  package mutating func urge(_ slot: UInt16, with partner: NodeID, windows: ClosedRange<Int64> = .min ... .max) {
    let asked = Urgent(slot: slot, partner: partner, windows: windows)
    if urgent.count < settings.urgentMax, !urgent.contains(asked) { urgent.append(asked) }
  }

  mutating func makeNumber() -> UInt64 {
    lastNumber &+= 1
    return lastNumber
  }

  /// When `tick` has to be called next.
  package func wakeAt(now: UInt64) -> UInt64 {
    var times = exchanges.flatMap { $0.open.values.compactMap(\.deadline) }
    if exchanges.count < settings.exchangesMax, !duties.isEmpty { times.append(urgent.isEmpty ? nextAt : now) }
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
    if exchanges.count < settings.exchangesMax, now >= nextAt, !duties.isEmpty {
      nextAt = now.addingReportingOverflow(settings.pause).partialValue
      if let duty = takeDuty(source) {
        if let next { actions.append(.keep(next)) }
        actions += lead(Urgent(slot: duty.slot, partner: duty.partner, windows: .min ... .max), now, source)
      }
    }
    return actions
  }

  private func isUnderWay(_ slot: UInt16, _ partner: NodeID) -> Bool {
    exchanges.contains { $0.slot == slot && $0.partner == partner }
  }

  private mutating func takeUrgent(_ source: some RepairSource) -> Urgent? {
    let place = urgent.firstIndex { source.isAvailable($0.partner) && !isUnderWay($0.slot, $0.partner) }
    return place.map { urgent.remove(at: $0) }
  }

  /// The next one whose partner is there; of those that are not, some are passed over at a time.
  private mutating func takeDuty(_ source: some RepairSource) -> Cursor? {
    for _ in 0..<min(duties.count, 64) {
      let place = next.flatMap { next in duties.firstIndex { $0 >= next } } ?? 0
      let duty = duties[place]
      if place + 1 == duties.count { rounds += 1 }
      next = duties[(place + 1) % duties.count]
      if source.isAvailable(duty.partner), !isUnderWay(duty.slot, duty.partner) { return duty }
    }
    return nil
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
    if case .served = errand { servedCount -= 1 }
    return errand
  }

  /// The series of a bucket, each once.
  package mutating func listed(
    _ ticket: Ticket, _ series: [RepairMessage.Series], now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    switch errand(ticket) {
    case .led(let exchange, let number): ledListed(exchange, number, series, now, source)
    case .served(let question, let node):
      [.send(node, question.reply(.series(series), source))]
    case nil: []
    }
  }

  /// Rows of some series.
  package mutating func read(
    _ ticket: Ticket, _ payload: [UInt8], now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    switch errand(ticket) {
    case .led(let exchange, let number): ledRead(exchange, number, payload, now, source)
    case .served(let question, let node):
      post(question.reply(.payload(payload), source), payload.count, to: node, now)
    case nil: []
    }
  }

  /// Rows are on disk.
  package mutating func stored(_ ticket: Ticket, now: UInt64, _ source: some RepairSource) -> [Action] {
    switch errand(ticket) {
    case .led(let exchange, let number): finish(exchange, number, now, source)
    case .served(let question, let node): [.send(node, question.reply(.stored, source))]
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
