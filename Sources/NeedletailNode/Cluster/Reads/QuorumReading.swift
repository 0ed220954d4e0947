import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// Performs one `QuorumRead`: asks this node and others, and tells it of their answers and of the time.
struct QuorumReading: Sendable {
  /// What a read ends with, and the answers that are part of it by their asks; this node's own is read when it is used.
  struct Result: Sendable {
    var outcome: QuorumRead.Outcome
    var streams: [Int: ReplicaStream]
    /// The slots whose rows each ask was for, and how many reductions.
    var asked: [Int: SlotSet]
    var reductions: [Int: Int]
    /// The slots on which those that answered had no vote.
    var notReady: [Int: SlotSet]
  }

  private enum Event: Sendable {
    case answered(Int, QuorumRead.Answer, ReplicaStream?)
    case failed(Int, String)
    case tick(UInt64)
  }

  let reads: ClusterReads
  let question: ClusterQuestion
  let subject: [UInt8]
  let windows: ClosedRange<Int64>
  var form = QuorumRead.Form.series

  /// Throws `QueryError` where too few ready replicas answered and a partial answer is not wanted.
  func run() async throws -> Result {
    reads.counters.count(\.reads)
    return try await reads.byCurrentLayout(question) { layout, isLast in try await run(layout, isLast) }
  }

  private func run(_ layout: ClusterLayout, _ isLast: Bool) async throws -> Result {
    let groups = reads.groups(layout, windows: windows)
    let number = reads.random.next()
    var generator = SeededGenerator(seed: number)
    let plan = plan(layout, groups)
    var read = QuorumRead(plan)
    defer { if plan.sumsFirst { reads.summed.ended(wasEnough: read.isSummed, windows, hour: reads.hour) } }
    return try await withThrowingTaskGroup(of: Event.self) { tasks in
      defer { tasks.cancelAll() }
      var shell = Shell(reading: self, groups: groups, number: number, epoch: layout.epoch, isLast: isLast)
      var actions = read.begin(now: reads.now, using: &generator)
      while true {
        if let result = try shell.perform(actions, in: &tasks) { return result }
        let event: Event
        if let own = shell.own.popLast() {
          // While others are on their way to an answer, and on this thread: nothing waits for it.
          event = try answer(own)
        } else {
          shell.wake(at: read.wakeAt, in: &tasks)
          guard let next = try await tasks.next() else { throw CancellationError() }
          event = next
        }
        try Task.checkCancellation()
        switch event {
        case .answered(let ask, let answer, let stream):
          shell.streams[ask] = stream
          shell.notReady[ask] = answer.notReady
          actions = read.answered(ask, answer, now: reads.now)
        case .failed(let ask, let reason): actions = read.failed(ask, reason, now: reads.now)
        case .tick(let time):
          shell.wakes.remove(time)
          actions = read.tick(now: reads.now)
          if !actions.isEmpty { reads.counters.count(\.hedges) }
        }
      }
    }
  }

  func plan(_ layout: ClusterLayout, _ groups: [SlotGroup]) -> QuorumRead.Plan {
    let peers = reads.peers(groups)
    // Half of the time is for reading on; a partial answer has to be told in time, too.
    let time = UInt64(clamping: question.timeout.nanosecondsClamped) / 2
    return QuorumRead.Plan(
      groups: groups, windows: windows, readQuorum: layout.readQuorum(of: groups),
      consistency: question.options.consistency, partial: question.options.partial,
      // A node is asked for so many reductions at the most.
      form: groups.count > ReadMessage.groupsMax ? .series : form, peers: peers,
      deadline: reads.now.addingClamped(time), hedgeAfter: reads.times.lateAfter(peers.keys.sorted()),
      sumsFirst: groups.count <= ReadMessage.groupsMax && reads.summed.areWorthwhile(windows, hour: reads.hour))
  }

  /// The state of a read that is under way.
  private struct Shell {
    let reading: QuorumReading
    let groups: [SlotGroup]
    let number: UInt64
    let epoch: UInt64
    /// Whether there is no other attempt by a newer layout.
    let isLast: Bool
    var streams: [Int: ReplicaStream] = [:]
    var asked: [Int: SlotSet] = [:]
    var reductions: [Int: Int] = [:]
    var notReady: [Int: SlotSet] = [:]
    /// What this node is asked, once all others have been.
    var own: [QuorumRead.Ask] = []
    /// Times for which a task waits.
    var wakes: Set<UInt64> = []

    private var reads: ClusterReads { reading.reads }

    /// Nil as long as the read has not ended.
    mutating func perform(
      _ actions: [QuorumRead.Action], in tasks: inout ThrowingTaskGroup<Event, any Error>
    ) throws -> Result? {
      for action in actions {
        switch action {
        case .ask(let ask):
          (asked[ask.id], reductions[ask.id]) = (ask.series, ask.reduced.count)
          guard ask.node != reads.view.own else {
            own.append(ask)
            continue
          }
          let (reading, number, epoch) = (reading, number, epoch)
          tasks.addTask { try await reading.ask(ask, of: number, by: epoch) }
        case .repair(let pair): reads.urge(pair)
        case .complete(let outcome):
          try checkLayout(outcome.coverage)
          if outcome.coverage.isPartial { reads.counters.count(\.partial) }
          if !outcome.united.isEmpty { reads.counters.count(\.unions) }
          reading.question.note(outcome.coverage)
          let used = Set(outcome.uses.map(\.ask))
          return Result(
            outcome: outcome, streams: streams.filter { used.contains($0.key) }, asked: asked, reductions: reductions,
            notReady: notReady)
        case .fail(.partial(let coverage)):
          try checkLayout(coverage)
          reads.counters.count(\.partial)
          reading.question.note(coverage)
          throw ClusterReads.error(coverage, groups)
        }
      }
      return nil
    }

    /// A partial answer is none yet where it may be whole by a newer layout.
    private func checkLayout(_ coverage: SlotCoverage) throws(OutdatedLayout) {
      if coverage.isPartial, !isLast, reading.question.newestEpoch > epoch { throw OutdatedLayout() }
    }

    /// Sees to it that the read is told when this time has come.
    mutating func wake(at time: UInt64?, in tasks: inout ThrowingTaskGroup<Event, any Error>) {
      guard let time, wakes.allSatisfy({ $0 > time }) else { return }
      wakes.insert(time)
      let alarm = reads.alarm
      tasks.addTask {
        await alarm.wait(time)
        return .tick(time)
      }
    }
  }

  /// What this node itself answers; blocks.
  private func answer(_ ask: QuorumRead.Ask) throws -> Event {
    do {
      return .answered(ask.id, try reads.own(ask, windows: windows), nil)
    } catch let error as QueryError {
      guard error.kind != .execution else { throw error }
      return .failed(ask.id, error.message)
    }
  }

  private func ask(_ ask: QuorumRead.Ask, of number: UInt64, by epoch: UInt64) async throws -> Event {
    if let reply = reads.askAtOnce(ask, of: number, by: epoch, windows: windows, within: question.timeout) {
      let told = await reply.value()
      try Task.checkCancellation()
      if let answer = reads.answer(told, ask, of: number, by: epoch) {
        reads.counters.count(\.asks)
        reads.times.answered(ask.node, after: reply.nanoseconds)
        return .answered(ask.id, answer, nil)
      }
    }
    do throws(PeerError) {
      let answer = try await reads.ask(
        ask, of: number, by: epoch, for: question, windows: windows, subject,
        messageBytesMax: ClusterReads.rowsBytesMax)
      let hasRows = !ask.series.isEmpty || !ask.reduced.isEmpty
      return .answered(ask.id, answer.response.answer, hasRows ? answer.rest : nil)
    } catch {
      try Task.checkCancellation()
      // A question that is wrong is so for all nodes.
      guard error.isOfNode else { throw error.queryError(of: ask.node) }
      return .failed(ask.id, "\(error)")
    }
  }
}

extension ClusterReads {
  /// What this node says of some slots before it is read itself: which it has no vote on, and what the others come to.
  ///
  /// Blocks. Throws `QueryError`, and `CancellationError`.
  func own(_ ask: QuorumRead.Ask, windows: ClosedRange<Int64>) throws -> QuorumRead.Answer {
    try answer(ask, windows: windows) { try sums(over: windows) }
  }

  /// The same where it takes no more than a look at what is kept; else nil. Never blocks.
  func known(_ ask: QuorumRead.Ask, windows: ClosedRange<Int64>) -> QuorumRead.Answer? {
    try? answer(ask, windows: windows) {
      guard let sums = contents.knownSums(over: windows) else { throw CancellationError() }
      return sums
    }
  }

  private func answer(
    _ ask: QuorumRead.Ask, windows: ClosedRange<Int64>, _ sums: () throws -> [RangeDigest]
  ) throws -> QuorumRead.Answer {
    // Who was ready before, and still is, has all that the digest has to have: what is damaged is noted before it is
    // left out, so that a digest without it is never one of a node that is ready after it was made.
    let slots = ask.slots
    var notReady = replicas.unready(of: slots, windows: windows)
    let sums = try sums()
    let digests = ask.digests { Int($0) < sums.count ? sums[Int($0)] : RangeDigest() }
    notReady.formUnion(replicas.unready(of: slots, windows: windows))
    return QuorumRead.Answer(
      windows: windows, digests: digests, notReady: notReady, reduced: Array(ask.reduced.indices), series: ask.series)
  }

  /// Has two replicas that differ compared out of turn: by this node where it holds one, else by the one that has less.
  func urge(_ pair: QuorumRead.Repair) {
    guard pair.node == view.own || pair.with == view.own else {
      let request = CompareRequest(with: pair.with, pair.slots, windows: pair.windows)
      return counters.count(asking.ask(pair.node, request) ? \.repairs : \.repairsDropped)
    }
    counters.count(\.repairs)
    replicas.urge(pair.slots, with: pair.node == view.own ? pair.with : pair.node, windows: pair.windows)
  }
}
