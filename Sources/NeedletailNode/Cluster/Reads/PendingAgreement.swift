import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// A read of what this node has by itself, which goes on while others are asked whether they have the same.
///
/// That is exact where they do, by the argument of `QuorumRead`: this node's digest was made before its data is read, and
/// what others told is equal to it. Where it turns out that they do not, or where one is late, all that was made of the
/// data is worth nothing, and the question is asked again in the usual way.
final class PendingAgreement: Sendable {
  private let reads: ClusterReads
  private let question: ClusterQuestion
  private let begun: QuorumRead
  private let epoch: UInt64
  private let number: UInt64
  private let own: (ask: QuorumRead.Ask, answer: QuorumRead.Answer)
  private let others: [(ask: QuorumRead.Ask, reply: PeerReply)]
  private let windows: ClosedRange<Int64>
  private let selection: SeriesSelection

  /// Asks the others; nil where this node is not enough by itself, or nothing can be asked at once.
  ///
  /// After it the node's own data may be read. Blocks no longer than it takes to sum up what the node has.
  init?(_ reading: QuorumReading, _ selection: SeriesSelection, _ layout: ClusterLayout) {
    let (reads, windows) = (reading.reads, reading.windows)
    guard reads.early.isWorthwhile, !reads.summed.arePaused(windows, hour: reads.hour) else { return nil }
    let plan = reading.plan(layout, reads.groups(layout, windows: windows))
    guard plan.sumsFirst else { return nil }
    let number = reads.random.next()
    var generator = SeededGenerator(seed: number)
    var read = QuorumRead(plan)
    let asks = read.begin(now: reads.now, using: &generator).compactMap { action -> QuorumRead.Ask? in
      if case .ask(let ask) = action { ask } else { nil }
    }
    guard let ask = asks.first(where: { $0.node == reads.view.own }), ask.series == layout.allSlots else { return nil }
    // Summing up may read from disk, and is done while others do so where that is allowed.
    let isInPlace = InMemoryRun.current != nil
    let known = isInPlace ? reads.known(ask, windows: windows) : nil
    guard asks.count > 1, !isInPlace || known != nil else { return nil }
    let wait = min(reads.earlyWait, reading.question.timeout)
    // Those that were asked in vain are asked again; that is one question, now and then.
    let others = asks.filter { $0.id != ask.id }.compactMap { other in
      reads.askAtOnce(other, of: number, by: layout.epoch, windows: windows, within: wait).map { (other, $0) }
    }
    guard others.count == asks.count - 1, let answer = known ?? (try? reads.own(ask, windows: windows)) else {
      return nil
    }
    reads.counters.count(\.reads)
    reads.counters.count(\.asks, times: others.count)
    (self.reads, question, begun, epoch, self.number) = (reads, reading.question, read, layout.epoch, number)
    (own, self.others, self.windows, self.selection) = ((ask, answer), others, windows, selection)
  }

  /// On which slots this node had no vote before its data was read.
  var notReady: SlotSet { own.answer.notReady }
  var slots: SlotSet { own.ask.series }

  /// Whether it is known already that others have something else, or are late.
  var isRefuted: Bool {
    others.contains { ask, reply in
      guard let reply = reply.answer else { return false }
      // An empty one says that it takes longer to tell.
      guard let answer = reads.answer(reply, ask, of: number, by: epoch) else { return (try? reply.get()) == nil }
      // Each is asked of some groups.
      return answer.digests.contains { own.answer.digests[$0.key] != $0.value }
    }
  }

  /// What a node told, or tells when it is asked by a call of its own, because it did not know it at once; nil where it does
  /// neither.
  private func answer(of ask: QuorumRead.Ask, _ reply: PeerReply) async throws -> QuorumRead.Answer? {
    let told = await reply.value()
    try Task.checkCancellation()
    if let answer = reads.answer(told, ask, of: number, by: epoch) {
      reads.times.answered(ask.node, after: reply.nanoseconds)
      return answer
    }
    guard (try? told.get())?.isEmpty == true else {
      reads.early.wasLate()
      return nil
    }
    // It may take as long as it likes.
    guard InMemoryRun.current == nil else { return nil }
    let subject = try ReadSubject.series(selection).encoded()
    do throws(PeerError) {
      // A digest may be of any later instant: what it speaks of has to be among what was read.
      return try await reads.ask(
        ask, of: number, by: epoch, for: question, windows: windows, subject,
        messageBytesMax: ClusterReads.rowsBytesMax
      ).response.answer
    } catch {
      return nil
    }
  }

  /// Waits for the others; whether as many as are wanted have what this node has.
  func isReached() async throws -> Bool {
    var read = begun
    var actions = read.answered(own.ask.id, own.answer, now: reads.now)
    for (ask, reply) in others where actions.isEmpty {
      guard let answer = try await answer(of: ask, reply) else { return false }
      actions = read.answered(ask.id, answer, now: reads.now)
    }
    // What ends it well is one action: that all slots are covered by what this node was asked first.
    guard actions.count == 1, case .complete(let outcome) = actions[0], !outcome.coverage.isPartial,
      outcome.uses.count == 1, let use = outcome.uses.first, use.ask == own.ask.id, use.slots == slots
    else {
      reads.summed.ended(wasEnough: false, windows, hour: reads.hour)
      return false
    }
    question.note(outcome.coverage)
    return true
  }
}
