import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// Random events for a `HintQueue`, whose every action is compared with what is known of each hint by itself.
struct HintTrial {
  /// One hint, on the disk and on its way.
  private struct Hint {
    let write: WriteID
    let bytes: Int
    let time: Int64
    let slots: HintedSlots
    var isStored = false
    /// Delivered, or given up aloud.
    var isDone = false
    var attempt: UInt32 = 0
    var inFlightUntil: Int64?
  }

  private var generator: SeededGenerator
  private var queue: HintQueue
  private let limits: HintLimits
  private let planted: PlantedWriteBug?
  private var now: Int64
  private var start: Int64
  private var isUp = true
  /// What is not released, by number.
  private var hints: [UInt64: Hint] = [:]
  private var lastSequence: UInt64 = 0
  private var released: UInt64 = 0
  private var sentBytes = 0
  private var restarts = 0
  private var expectedGivenUp: (slots: HintedSlots, count: Int)?
  private(set) var violations: [String] = []
  private(set) var delivered = 0

  init(seed: UInt64, planted: PlantedWriteBug? = nil) {
    generator = SeededGenerator(seed: seed)
    now = Int64.random(in: -1_000_000...1_000_000, using: &generator)
    start = now
    var limits = HintLimits()
    limits.countMax = Int.random(in: 3...40, using: &generator)
    limits.bytesMax = Int.random(in: 300...3000, using: &generator)
    limits.ageMax = Int64.random(in: 200...4000, using: &generator)
    limits.window = Int.random(in: 1...6, using: &generator)
    limits.timeout = 60
    limits.backoff = Backoff(base: 20, cap: 200)
    limits.bytesPerSecond = 1_000_000_000 * Int.random(in: 1...30, using: &generator)
    limits.burst = Int.random(in: 1...400, using: &generator)
    self.limits = limits
    self.planted = planted
    queue = HintQueue(for: NodeID("n"), limits: limits)
    queue.planted = planted
  }

  static func run(seed: UInt64, planted: PlantedWriteBug? = nil) -> HintTrial {
    var trial = HintTrial(seed: seed, planted: planted)
    for _ in 0..<400 where trial.violations.isEmpty { trial.step() }
    if trial.violations.isEmpty { trial.end() }
    return trial
  }

  private mutating func pick<Element>(_ list: [Element]) -> Element? { list.randomElement(using: &generator) }

  private mutating func step() {
    switch Int.random(in: 0..<100, using: &generator) {
    case ..<25: append()
    case ..<45: store()
    case ..<65: answer()
    case ..<85: tick(by: Int64.random(in: 0...30, using: &generator))
    case ..<87: tick(by: Int64.random(in: 60...300, using: &generator))
    case ..<92: changeNode()
    case ..<94: restart()
    default: stray()
    }
    checkAll()
  }

  private var live: [UInt64] { hints.filter { !$0.value.isDone }.keys.sorted() }

  private mutating func append() {
    let write = WriteID(Hash128(high: 1, low: generator.next()))
    let bytes = Int.random(in: 1...120, using: &generator)
    let slots = HintedSlots(
      (0..<Int.random(in: 1...3, using: &generator)).map { _ in UInt16.random(in: 0...200, using: &generator) })
    let isFull = hints.count >= limits.countMax || queue.bytes + bytes > limits.bytesMax
    if isFull { expectedGivenUp = (slots, 1) }
    let actions = queue.append(write, bytes: bytes, slots: slots, now: now)
    if isFull {
      if actions.last != .hintGivenUp(write) { violations.append("too many, and taken") }
    } else if case .store(let sequence, write) = actions.first, sequence > lastSequence {
      lastSequence = sequence
      hints[sequence] = Hint(write: write, bytes: bytes, time: now, slots: slots)
    } else {
      violations.append("not taken: \(actions)")
    }
    apply(actions)
  }

  private mutating func store() {
    let waiting = live.filter { hints[$0]?.isStored == false }
    guard let sequence = pick(Array(waiting.prefix(3))), let hint = hints[sequence] else { return }
    if Int.random(in: 0..<10, using: &generator) == 0 {
      expectedGivenUp = (hint.slots, 1)
      hints[sequence]?.isDone = true
      apply(queue.storeFailed(sequence, now: now))
    } else {
      hints[sequence]?.isStored = true
      let actions = queue.stored(sequence, now: now)
      if !actions.contains(.hinted(hint.write)) && !queue.isPlanted(.hintedBeforeStored) {
        violations.append("durable, and not told")
      }
      apply(actions)
    }
  }

  private mutating func answer() {
    let wasSent = live.filter { hints[$0]?.attempt ?? 0 > 0 }
    guard let sequence = pick(wasSent), let hint = hints[sequence] else { return }
    let isStale = Int.random(in: 0..<5, using: &generator) == 0
    if Int.random(in: 0..<3, using: &generator) > 0 {
      hints[sequence]?.isDone = true
      hints[sequence]?.inFlightUntil = nil
      delivered += 1
      apply(queue.acknowledged(sequence, now: now))
      return
    }
    let failures: [ReplicaFailure] = [
      .unreachable, .timedOut, .overloaded(retryAfterMilliseconds: 0), .overloaded(retryAfterMilliseconds: -1),
      .refused,
      .unknownSeries, .notReplica,
    ]
    guard let failure = pick(failures) else { return }
    if !isStale, hint.inFlightUntil != nil {
      hints[sequence]?.inFlightUntil = nil
      if [.refused, .unknownSeries, .notReplica].contains(failure) {
        hints[sequence]?.isDone = true
        expectedGivenUp = (hint.slots, 1)
      }
    }
    apply(
      queue.failed(sequence, attempt: isStale ? hint.attempt &- 1 : hint.attempt, failure, now: now, using: &generator))
  }

  private mutating func tick(by time: Int64) {
    now += time
    let old = live.filter { now - (hints[$0]?.time ?? now) >= limits.ageMax }
    var slots = HintedSlots()
    for sequence in old {
      if let hint = hints[sequence] { slots.formUnion(hint.slots) }
      hints[sequence]?.isDone = true
      hints[sequence]?.inFlightUntil = nil
    }
    if !old.isEmpty { expectedGivenUp = (slots, old.count) }
    for sequence in live where hints[sequence]?.inFlightUntil ?? .max <= now { hints[sequence]?.inFlightUntil = nil }
    apply(queue.tick(now: now, using: &generator))
    if let next = queue.nextTick, next <= now { violations.append("something is due after a tick") }
  }

  private mutating func changeNode() {
    switch Int.random(in: 0..<10, using: &generator) {
    case 0:
      for sequence in hints.keys {
        hints[sequence]?.isDone = true
        hints[sequence]?.inFlightUntil = nil
      }
      isUp = false
      apply(queue.nodeRemoved())
      if queue.count != 0 { violations.append("hints for a node that is gone") }
      comeUp()
    case ..<5:
      isUp = false
      for sequence in hints.keys { hints[sequence]?.inFlightUntil = nil }
      queue.nodeDown()
    default: comeUp()
    }
  }

  private mutating func comeUp() {
    isUp = true
    apply(queue.nodeUp(now: now))
  }

  /// The process dies: what is on disk and not released is there again, delivered or not.
  private mutating func restart() {
    restarts += 1
    hints = hints.filter { $0.value.isStored }
    for sequence in hints.keys {
      hints[sequence]?.isDone = false
      hints[sequence]?.inFlightUntil = nil
      hints[sequence]?.attempt = 0
    }
    let stored = hints.sorted { $0.key < $1.key }.map {
      HintQueue.Stored(sequence: $0.key, bytes: $0.value.bytes, time: $0.value.time, slots: $0.value.slots)
    }
    queue = HintQueue(for: NodeID("n"), limits: limits, stored: stored, next: lastSequence + 1, isUp: isUp)
    queue.planted = planted
  }

  private mutating func stray() {
    let unknown = pick([released, lastSequence + 9, 0] as [UInt64]) ?? 0
    let actions =
      queue.acknowledged(unknown, now: now) + queue.stored(unknown, now: now) + queue.storeFailed(unknown, now: now)
      + queue.failed(unknown, attempt: 1, .unreachable, now: now, using: &generator)
    if !actions.isEmpty { violations.append("something is done about a hint that is not there") }
  }

  private mutating func apply(_ actions: [HintQueue.Action]) {
    for action in actions {
      switch action {
      case .store: break
      case .hinted(let write):
        if !hints.contains(where: { $0.value.write == write && $0.value.isStored }) {
          violations.append("a hint that is not durable is told")
        }
      case .hintGivenUp(let write):
        if hints.contains(where: { $0.value.write == write && ($0.value.isStored || !$0.value.isDone) }) {
          violations.append("a hint is told as given up that is there")
        }
      case .deliver(let sequence, let attempt): deliver(sequence, attempt)
      case .release(let last):
        for sequence in hints.keys.sorted() where sequence <= last {
          if hints[sequence]?.isDone == false { violations.append("\(sequence) is released and was not delivered") }
          hints[sequence] = nil
        }
        if last <= released { violations.append("released twice") }
        released = max(released, last)
      case .gaveUp(let slots, let count):
        if expectedGivenUp?.slots != slots || expectedGivenUp?.count != count {
          violations.append("given up: \(count) of \(slots.slots)")
        }
        expectedGivenUp = nil
      }
    }
    if expectedGivenUp != nil { violations.append("given up without a word") }
  }

  private mutating func deliver(_ sequence: UInt64, _ attempt: UInt32) {
    guard let hint = hints[sequence], hint.isStored, !hint.isDone, isUp, attempt == hint.attempt + 1,
      hint.inFlightUntil == nil
    else {
      violations.append("\(sequence) is delivered, which is not to be")
      return
    }
    let before = live.filter { $0 < sequence }
    if before.contains(where: { hints[$0]?.inFlightUntil == nil }) {
      violations.append("\(sequence) overtakes another one")
    }
    if before.count >= limits.window { violations.append("\(sequence) is out of the window") }
    hints[sequence]?.attempt = attempt
    hints[sequence]?.inFlightUntil = now + limits.timeout
    sentBytes += hint.bytes
    let perNanosecond = limits.bytesPerSecond / 1_000_000_000
    let allowed = (restarts + 1) * (limits.burst + 120) + Int(now - start) * perNanosecond + 1
    if sentBytes > allowed { violations.append("too fast: \(sentBytes) of \(allowed) bytes") }
  }

  private mutating func checkAll() {
    let bytes = hints.values.reduce(0) { $0 + $1.bytes }
    if bytes != queue.bytes || hints.count != queue.count { violations.append("bytes or hints are miscounted") }
    if queue.count > limits.countMax || queue.bytes > limits.bytesMax { violations.append("too much is kept") }
  }

  /// The disk and the node do what they are told: then all is delivered, or given up aloud.
  private mutating func end() {
    comeUp()
    for _ in 0..<1000 where !hints.isEmpty && violations.isEmpty {
      for sequence in live where hints[sequence]?.isStored == false {
        hints[sequence]?.isStored = true
        apply(queue.stored(sequence, now: now))
      }
      for sequence in live where hints[sequence]?.inFlightUntil != nil {
        hints[sequence]?.isDone = true
        hints[sequence]?.inFlightUntil = nil
        apply(queue.acknowledged(sequence, now: now))
      }
      if let next = queue.nextTick { tick(by: max(0, next - now)) }
      checkAll()
    }
    if !hints.isEmpty || queue.count != 0 || queue.bytes != 0 { violations.append("\(hints.count) hints are left") }
    if queue.nextTick != nil { violations.append("an empty queue waits for something") }
  }
}
