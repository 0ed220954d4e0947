// What happens to the hints for a node.

extension HintQueue {
  /// The log has a hint on disk.
  package mutating func stored(_ sequence: UInt64, now: Int64) -> [Action] {
    guard let index = find(sequence), case .storing(let write) = self[index].state else { return [] }
    self[index].state = .pending
    return [.hinted(write)] + deliver(now: now)
  }

  /// The log could not take a hint.
  package mutating func storeFailed(_ sequence: UInt64, now: Int64) -> [Action] {
    guard let index = find(sequence), case .storing = self[index].state else { return [] }
    counters.notStored += 1
    return giveUp([index]) + deliver(now: now)
  }

  /// The node has a hint on disk, whichever attempt brought it there.
  package mutating func acknowledged(_ sequence: UInt64, now: Int64) -> [Action] {
    guard let index = find(sequence) else { return [] }
    switch self[index].state {
    case .inFlight: inFlight -= 1
    case .pending where self[index].attempt > 0 && !isPlanted(.lateHintAcknowledgementIgnored): break
    default: return []
    }
    self[index].state = .done
    counters.delivered += 1
    failures = 0
    let released = isPlanted(.releasedTooEarly) ? release() + [.release(upTo: sequence)] : release()
    return released + deliver(now: now)
  }

  /// The node did not take a hint.
  package mutating func failed(
    _ sequence: UInt64, attempt: UInt32, _ failure: ReplicaFailure, now: Int64,
    using generator: inout some RandomNumberGenerator
  ) -> [Action] {
    guard let index = find(sequence), case .inFlight = self[index].state, self[index].attempt == attempt else {
      return []
    }
    counters.failures += 1
    switch failure {
    case .refused, .notReplica, .unknownSeries:
      // It would be refused again, for ever, and hold up all that comes after it.
      counters.refused += 1
      return giveUp([index]) + deliver(now: now)
    case .overloaded(let milliseconds):
      pause(atLeast: Int64(min(max(0, milliseconds), 3_600_000)) * 1_000_000, now: now, using: &generator)
    case .unreachable, .timedOut: pause(atLeast: 0, now: now, using: &generator)
    }
    inFlight -= 1
    self[index].state = .pending
    return deliver(now: now)
  }

  /// The node does not hold all slots of a hint any more; it refuses the hint and holds `held`.
  ///
  /// Nobody misses what was of the other slots: who holds them now was filled by replicas that had it, before they were
  /// read from.
  package mutating func moved(
    _ sequence: UInt64, attempt: UInt32, held: HintedSlots, now: Int64
  ) -> [Action] {
    guard let index = find(sequence), case .inFlight = self[index].state, self[index].attempt == attempt else {
      return []
    }
    counters.failures += 1
    let missing = self[index].slots.intersection(held)
    if missing.isEmpty {
      counters.superseded += 1
      self[index].state = .done
      inFlight -= 1
      return release() + deliver(now: now)
    }
    counters.refused += 1
    return giveUp([index], of: missing) + deliver(now: now)
  }

  /// All that fail before the pause is over have failed once.
  private mutating func pause(atLeast: Int64, now: Int64, using generator: inout some RandomNumberGenerator) {
    if now >= pausedUntil { failures += 1 }
    let delay = max(atLeast, limits.backoff.delay(failures: failures, using: &generator))
    pausedUntil = max(pausedUntil, now &+ delay)
  }

  /// The node is not there: what is on its way will be sent again.
  package mutating func nodeDown() {
    isUp = false
    for index in window {
      if case .inFlight = self[index].state { self[index].state = .pending }
    }
    inFlight = 0
  }

  /// The node is there again.
  package mutating func nodeUp(now: Int64) -> [Action] {
    isUp = true
    isRemoved = false
    failures = 0
    pausedUntil = .min
    return deliver(now: now)
  }

  /// The node left for good: its hints are dropped and counted.
  package mutating func nodeRemoved() -> [Action] {
    isRemoved = true
    isUp = false
    inFlight = 0
    var actions: [Action] = []
    for index in live where self[index].state != .done {
      counters.removed += 1
      if case .storing(let write) = self[index].state { actions.append(.hintGivenUp(write)) }
      self[index].state = .done
    }
    return actions + release()
  }

  /// Gives up what is too old, takes what was not answered for failed, and sends what may be sent.
  ///
  /// O(window) where nothing is too old.
  package mutating func tick(now: Int64, using generator: inout some RandomNumberGenerator) -> [Action] {
    var old: [Int] = []
    for index in live {
      guard now &- self[index].time >= limits.ageMax else { break }
      if self[index].state != .done { old.append(index) }
    }
    counters.tooOld += old.count
    let actions = old.isEmpty ? [] : giveUp(old)
    for index in window {
      guard case .inFlight(let until) = self[index].state, until <= now else { continue }
      counters.failures += 1
      pause(atLeast: 0, now: now, using: &generator)
      self[index].state = .pending
      inFlight -= 1
    }
    return actions + deliver(now: now)
  }

  /// When `tick` is to be called at the latest, should nothing else happen; nil where nothing is awaited. O(window).
  package var nextTick: Int64? {
    guard let first = window.first else { return nil }
    let (old, isNever) = self[first].time.addingReportingOverflow(limits.ageMax)
    var next = isNever ? .max : old
    for index in window {
      switch self[index].state {
      case .inFlight(let until): next = min(next, until)
      case .pending where isUp: return min(next, max(pausedUntil, bucket.opensAt))
      case .storing: return next
      case .pending, .done: continue
      }
    }
    return next
  }

  /// Sends what may be sent, by ascending number.
  private mutating func deliver(now: Int64) -> [Action] {
    var actions: [Action] = []
    guard isUp, now >= pausedUntil else { return actions }
    while let index = nextPending, bucket.take(self[index].bytes, at: now) {
      self[index].attempt &+= 1
      self[index].state = .inFlight(until: now &+ limits.timeout)
      inFlight += 1
      actions.append(.deliver(sequence: self[index].sequence, attempt: self[index].attempt))
    }
    return actions
  }

  /// What may be on its way: the first that are not done, so that nothing runs far ahead of one that fails.
  private var window: Range<Int> {
    isPlanted(.windowIgnored) ? live : live.lowerBound..<min(live.upperBound, live.lowerBound + limits.window)
  }

  /// The first hint that is to be sent; none while one before it is not durable yet, so that their order holds.
  private var nextPending: Int? {
    if isPlanted(.hintsOutOfOrder) { return window.last { self[$0].state == .pending } }
    for index in window {
      switch self[index].state {
      case .pending: return index
      case .storing: return nil
      case .inFlight, .done: continue
      }
    }
    return nil
  }

  /// Gives these up: all that they had, or some slots of it.
  private mutating func giveUp(_ indices: [Int], of missing: HintedSlots? = nil) -> [Action] {
    var slots = missing ?? HintedSlots()
    var unstored: [Action] = []
    for index in indices {
      if missing == nil { slots.formUnion(self[index].slots) }
      switch self[index].state {
      case .storing(let write): unstored.append(.hintGivenUp(write))
      case .inFlight: inFlight -= 1
      case .pending, .done: break
      }
      self[index].state = .done
    }
    return gaveUp(slots, count: indices.count) + unstored + release()
  }
}
