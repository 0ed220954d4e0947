import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// Performs one `CoveringRead`: asks as many nodes as it takes, this one first, for all that they have.
struct GatheringRead: Sendable {
  struct Answer<Value: Sendable>: Sendable {
    var node: NodeID
    var value: Value
  }

  private enum Event<Value: Sendable>: Sendable {
    case answered(NodeID, notReady: SlotSet, Value)
    case failed(NodeID, String)
    case hedge(Int)
    case deadline
  }

  let reads: ClusterReads
  let question: ClusterQuestion
  let subject: [UInt8]
  let windows: ClosedRange<Int64>
  let messageBytesMax: Int

  /// What each node had, by name, and how whole that is together.
  ///
  /// `own` reads this node and may block; `remote` makes of a node's first message, and of what follows it, the same.
  /// Throws `QueryError` where too few ready replicas answered and a partial answer is not wanted.
  func run<Value: Sendable>(
    own: @escaping @Sendable () async throws -> Value,
    remote: @escaping @Sendable (ReadMessage.Response, ReplicaStream) throws(PeerError) -> Value
  ) async throws -> (answers: [Answer<Value>], coverage: SlotCoverage) {
    reads.counters.count(\.reads)
    return try await reads.byCurrentLayout(question) { layout, isLast in
      try await run(layout, isLast, own: own, remote: remote)
    }
  }

  private func run<Value: Sendable>(
    _ layout: ClusterLayout, _ isLast: Bool, own: @escaping @Sendable () async throws -> Value,
    remote: @escaping @Sendable (ReadMessage.Response, ReplicaStream) throws(PeerError) -> Value
  ) async throws -> (answers: [Answer<Value>], coverage: SlotCoverage) {
    let groups = reads.groups(layout, windows: windows)
    let nodes = order(groups)
    var read = CoveringRead(
      groups, windows: windows, order: nodes, readQuorum: layout.readQuorum(of: groups),
      consistency: question.options.consistency, partial: question.options.partial)
    let (number, slots) = (reads.random.next(), layout.allSlots)
    let answers = try await withThrowingTaskGroup(of: Event<Value>.self) { tasks in
      defer { tasks.cancelAll() }
      var answers: [Answer<Value>] = []
      addDeadline(to: &tasks)
      var (asked, armed) = (0, 0)
      while !read.isWhole {
        let next = read.next()
        // Whoever is asked later may be late, too: only the last of the alarms counts.
        if !next.isEmpty {
          armed += 1
          addHedge(nodes, armed, to: &tasks)
        }
        for node in next {
          let ask = QuorumRead.Ask(id: asked, node: node, series: slots)
          asked += 1
          tasks.addTask { try await event(ask, of: number, by: layout.epoch, own, remote) }
        }
        guard read.isAwaiting, let event = try await tasks.next() else { break }
        try Task.checkCancellation()
        switch event {
        case .answered(let node, let notReady, let value):
          read.answered(node, notReady: notReady)
          answers.append(Answer(node: node, value: value))
        case .failed(let node, let reason): read.failed(node, reason)
        case .hedge(let number):
          guard number == armed else { continue }
          reads.counters.count(\.hedges)
          read.hedge()
        case .deadline: return answers
        }
      }
      return answers
    }
    let coverage = read.coverage
    // It may be whole by a newer layout.
    if coverage.isPartial, !isLast, question.newestEpoch > layout.epoch { throw OutdatedLayout() }
    question.note(coverage)
    if coverage.isPartial {
      reads.counters.count(\.partial)
      if question.options.partial == .deny { throw ClusterReads.error(coverage, groups) }
    }
    return (answers.sorted { $0.node < $1.node }, coverage)
  }

  /// This node, then who is there by how long it takes, then the rest.
  private func order(_ groups: [SlotGroup]) -> [NodeID] {
    reads.peers(groups).sorted { left, right in
      if left.value.isAvailable != right.value.isAvailable { return left.value.isAvailable }
      if left.value.isOwn != right.value.isOwn { return left.value.isOwn }
      return left.value.latency != right.value.latency ? left.value.latency < right.value.latency : left.key < right.key
    }.map(\.key)
  }

  /// After this those that were asked and have not answered are late.
  private func addHedge<Value: Sendable>(
    _ nodes: [NodeID], _ number: Int, to tasks: inout ThrowingTaskGroup<Event<Value>, any Error>
  ) {
    let alarm = reads.alarm
    let late = reads.now.addingClamped(reads.times.lateAfter(nodes))
    tasks.addTask {
      await alarm.wait(late)
      return .hedge(number)
    }
  }

  private func addDeadline<Value: Sendable>(to tasks: inout ThrowingTaskGroup<Event<Value>, any Error>) {
    let alarm = reads.alarm
    let end = reads.now.addingClamped(UInt64(clamping: question.timeout.nanosecondsClamped) / 2)
    tasks.addTask {
      await alarm.wait(end)
      return .deadline
    }
  }

  private func event<Value: Sendable>(
    _ ask: QuorumRead.Ask, of number: UInt64, by epoch: UInt64, _ own: () async throws -> Value,
    _ remote: (ReadMessage.Response, ReplicaStream) throws(PeerError) -> Value
  ) async throws -> Event<Value> {
    guard ask.node != reads.view.own else {
      // Who was ready before has all that is read after it, unless it was left out as damaged meanwhile.
      var notReady = reads.replicas.unready(of: ask.series, windows: windows)
      do {
        let value = try await own()
        notReady.formUnion(reads.replicas.unready(of: ask.series, windows: windows))
        return .answered(ask.node, notReady: notReady, value)
      } catch let error as QueryError {
        guard error.kind == .unavailable else { throw error }
        return .failed(ask.node, error.message)
      }
    }
    do throws(PeerError) {
      let answer = try await reads.ask(
        ask, of: number, by: epoch, for: question, windows: windows, subject, messageBytesMax: messageBytesMax)
      let value = try remote(answer.response, answer.rest)
      return .answered(ask.node, notReady: answer.response.answer.notReady, value)
    } catch {
      try Task.checkCancellation()
      guard error.isOfNode else { throw error.queryError(of: ask.node) }
      return .failed(ask.node, "\(error)")
    }
  }
}
