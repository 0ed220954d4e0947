// What happens to writes that are under way.

extension ReplicatedWrites {
  /// A node has its rows of a write on disk.
  package mutating func acknowledged(_ id: WriteID, by node: NodeID, now: Int64) -> [Action] {
    guard let (index, place) = find(id, node) else { return [] }
    let replica = writes[index].replicas[place]
    guard replica.state != .acknowledged else { return [] }
    // One that answers when its time is over is no node to wait for: only an answer in time speaks for it.
    if replica.state == .sending { peers[replica.peer].breaker.succeeded(at: now) }
    if replica.state.isAsked {
      dequeue(replica.peer, writes[index].bytes)
    } else {
      if isPlanted(.lateAcknowledgementIgnored) { return [] }
      counters.late += 1
    }
    writes[index].acknowledge(place)
    var actions: [Action] = []
    settle(index, &actions)
    return actions
  }

  /// An attempt failed. One that is not the node's last is of no interest: it was given up before.
  package mutating func failed(
    _ id: WriteID, at node: NodeID, attempt: UInt8, _ failure: ReplicaFailure, now: Int64,
    using generator: inout some RandomNumberGenerator
  ) -> [Action] {
    guard let (index, place) = find(id, node) else { return [] }
    let replica = writes[index].replicas[place]
    guard replica.state == .sending, replica.attempt == attempt || isPlanted(.staleFailureCounts) else { return [] }
    var actions: [Action] = []
    fail(index, place, failure, now: now, using: &generator, &actions)
    settle(index, &actions)
    return actions
  }

  /// The hint for a node is durable.
  package mutating func hinted(_ id: WriteID, _ node: NodeID) -> [Action] { hintEnded(id, node, .hinted) }

  /// There will be no hint for a node, which whoever keeps the hints has told to who has to know.
  package mutating func hintGivenUp(_ id: WriteID, _ node: NodeID) -> [Action] { hintEnded(id, node, .givenUp) }

  private mutating func hintEnded(_ id: WriteID, _ node: NodeID, _ state: WriteUnderWay.ReplicaState) -> [Action] {
    guard let (index, place) = find(id, node), writes[index].replicas[place].state == .hinting else { return [] }
    if state == .hinted { counters.hinted += 1 } else { counters.hintsGivenUp += 1 }
    writes[index].move(place, to: state)
    var actions: [Action] = []
    settle(index, &actions)
    return actions
  }

  /// A node is not there: nothing is sent to it until `nodeUp`, and nothing more expected, though what it says still counts.
  package mutating func nodeDown(_ node: NodeID) -> [Action] { missAll(mark(node, isDown: true, isRemoved: false)) }

  /// A node is there again, and asked from now on, whatever its failures before.
  package mutating func nodeUp(_ node: NodeID) { peers[mark(node, isDown: false, isRemoved: false)].breaker.close() }

  /// A node left for good: it is asked for nothing, and gets nothing that it missed.
  package mutating func nodeRemoved(_ node: NodeID) -> [Action] {
    let peer = mark(node, isDown: true, isRemoved: true)
    let actions = missAll(peer)
    releaseIfUnused(peer)
    return actions
  }

  /// In the order in which they began. O(writes x nodes of each).
  private mutating func missAll(_ peer: Int) -> [Action] {
    var actions: [Action] = []
    for index in writes.indices.sorted(by: { writes[$0].serial < writes[$1].serial }) {
      guard let place = writes[index].replicas.firstIndex(where: { $0.peer == peer }) else { continue }
      switch writes[index].replicas[place].state {
      case .sending, .waiting: miss(index, place)
      case .hinting where peers[peer].isRemoved:
        counters.removed += 1
        writes[index].move(place, to: .givenUp)
      default: continue
      }
      settle(index, &actions)
    }
    return actions
  }

  /// What is due is done: attempts that were not answered, attempts that wait, deadlines. O(log n) for each write that is due.
  package mutating func tick(now: Int64, using generator: inout some RandomNumberGenerator) -> [Action] {
    var actions: [Action] = []
    while let entry = timers.popDue(at: now) {
      let write = writes[entry.index]
      guard write.serial == entry.serial, write.timer == entry.time else { continue }
      writes[entry.index].timer = .max
      if write.deadline <= now {
        expire(entry.index, now: now)
      } else {
        for (place, replica) in write.replicas.enumerated() where replica.state.isAsked && replica.time <= now {
          if replica.state == .sending {
            fail(entry.index, place, .timedOut, now: now, using: &generator, &actions)
          } else {
            askAgain(entry.index, place, now: now, &actions)
          }
        }
      }
      writes[entry.index].recomputeSoonest()
      settle(entry.index, &actions)
    }
    return actions
  }

  private mutating func expire(_ index: Int, now: Int64) {
    let write = writes[index]
    for (place, replica) in write.replicas.enumerated() where replica.state.isAsked {
      // An attempt that the deadline cut short says little of the node, unless it had all the time that there was.
      let hadItsTime = replica.attempt == 1 || now &- replica.since >= limits.attemptTimeout / 2
      if replica.state == .sending, hadItsTime { peers[replica.peer].breaker.failed(at: now) }
      miss(index, place)
      if isPlanted(.hintDroppedOnTimeOut) { writes[index].move(place, to: .givenUp) }
    }
    if !writes[index].isComplete { writes[index].isPastDeadline = true }
  }

  private func find(_ id: WriteID, _ node: NodeID) -> (index: Int, place: Int)? {
    guard let index = index(of: id), let place = writes[index].targets.place(of: node) else { return nil }
    return (index, place)
  }

  private mutating func fail(
    _ index: Int, _ place: Int, _ failure: ReplicaFailure, now: Int64,
    using generator: inout some RandomNumberGenerator, _ actions: inout [Action]
  ) {
    let write = writes[index]
    let replica = write.replicas[place]
    if failure.isSilence {
      peers[replica.peer].breaker.failed(at: now)
    } else {
      // It is there, and said something: that is all that the breaker asks.
      peers[replica.peer].breaker.succeeded(at: now)
    }
    switch failure {
    case .refused: miss(index, place, barred: !isPlanted(.refusedIsHinted), isRefusal: true)
    case .notReplica: miss(index, place, barred: true)
    case .unknownSeries where replica.withDefinitions: miss(index, place)
    case .unknownSeries:
      writes[index].addDefinitions(place)
      askAgain(index, place, now: now, &actions)
    case .unreachable, .timedOut, .overloaded:
      var delay = limits.backoff.delay(failures: Int(replica.attempt), using: &generator)
      if case .overloaded(let milliseconds) = failure {
        delay = max(delay, Int64(min(max(0, milliseconds), 3_600_000)) * 1_000_000)
      }
      let isInTime = now &+ delay < write.deadline
      if replica.attempt < limits.attemptsMax, isInTime, peers[replica.peer].breaker.isClosed {
        writes[index].wait(place, until: now &+ delay)
      } else {
        writes[index].wait = max(write.wait, delay, peers[replica.peer].breaker.wait(at: now))
        miss(index, place)
      }
    }
  }

  private mutating func askAgain(_ index: Int, _ place: Int, now: Int64, _ actions: inout [Action]) {
    let write = writes[index]
    let peer = write.replicas[place].peer
    // One more than the limit is possible, for the definitions.
    guard write.replicas[place].attempt < .max, peers[peer].isAskable(at: now), peers[peer].breaker.admit(at: now)
    else {
      miss(index, place)
      return
    }
    counters.retries += 1
    writes[index].askAgain(place, at: now, until: min(write.deadline, now &+ limits.attemptTimeout))
    let replica = writes[index].replicas[place]
    actions.append(
      .send(write.id, peers[peer].node, attempt: replica.attempt, withDefinitions: replica.withDefinitions))
  }

  private mutating func miss(_ index: Int, _ place: Int, barred: Bool = false, isRefusal: Bool = false) {
    let write = writes[index]
    dequeue(write.replicas[place].peer, write.bytes)
    let counts = isPlanted(.hintCounts) && !write.isComplete && !barred
    writes[index].miss(place, barred: barred, isRefusal: isRefusal, countsAsAcknowledgement: counts)
  }

  /// What follows from the state of a write: its outcome, hints for what is missed, its end, or its next timer.
  ///
  /// Reads of the write in its place, and not of a copy, which would cost more than what is done with it.
  mutating func settle(_ index: Int, _ actions: inout [Action]) {
    guard writes[index].isHeld else { return }
    if !writes[index].isComplete {
      let isHopeless = writes[index].isHopeless && !isPlanted(.hopelessWaits)
      if writes[index].isAcknowledgedByAll {
        writes[index].isComplete = true
        counters.acknowledged += 1
        actions.append(.complete(writes[index].id, .acknowledged))
      } else if isHopeless || writes[index].isPastDeadline {
        end(index, &actions)
        return
      }
    }
    if writes[index].isComplete, writes[index].undecided > 0 { hintMissed(index, &actions) }
    if writes[index].isComplete, writes[index].unsettled == 0 {
      actions.append(.forget(writes[index].id))
      remove(index)
    } else if writes[index].soonest < writes[index].timer {
      let next = writes[index].soonest
      writes[index].timer = next
      timers.add(TimerQueue.Entry(time: next, serial: writes[index].serial, index: index))
    }
  }

  /// A write that failed: its caller is told, and it is forgotten. What some replicas stored stays there; the caller sends the same
  /// rows again, and all replicas are asked again. Hints would promise what nobody was promised, and fill the queues just when
  /// most is down, at the cost of what was acknowledged.
  private mutating func end(_ index: Int, _ actions: inout [Action]) {
    let write = writes[index]
    if write.isRefused {
      counters.refused += 1
      actions.append(.complete(write.id, .refused))
    } else {
      counters.unavailable += 1
      actions.append(.complete(write.id, .unavailable(retryAfter: seconds(write.wait))))
    }
    actions.append(.forget(write.id))
    remove(index)
  }

  /// What is given up is told first: a shell that gives a hint up while it performs these has the write forgotten, and with it
  /// what there is to tell of the others.
  private mutating func hintMissed(_ index: Int, _ actions: inout [Action]) {
    let write = writes[index]
    for (place, replica) in write.replicas.enumerated() {
      switch replica.state {
      case .missed where peers[replica.peer].isRemoved, .barred where peers[replica.peer].isRemoved:
        counters.removed += 1
      case .barred:
        counters.gaveUp += 1
        actions.append(.gaveUp(write.id, peers[replica.peer].node))
      default: continue
      }
      writes[index].move(place, to: .givenUp)
    }
    for (place, replica) in write.replicas.enumerated()
    where replica.state == .missed && !peers[replica.peer].isRemoved {
      counters.hints += 1
      actions.append(.hint(write.id, peers[replica.peer].node))
      let isForgotten = isPlanted(.forgottenBeforeHint)
      writes[index].move(place, to: isForgotten ? .givenUp : .hinting)
    }
  }

  /// Tests only: what is missed from the beginning counts too.
  mutating func countMissed(_ index: Int) {
    let write = writes[index]
    for (place, replica) in write.replicas.enumerated() where replica.state == .missed {
      writes[index].miss(place, countsAsAcknowledgement: true)
    }
  }
}
