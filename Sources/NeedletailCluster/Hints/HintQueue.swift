/// What one node missed and gets later, in order: which hints are durable, on their way, delivered, and which are given up.
///
/// The hints lie in a durable log that the shell owns; the queue knows their numbers and sizes. A hint counts as one only when the log
/// has it on disk (`stored`); then `ReplicatedWrites` hears `hinted`. While the node is up, hints are sent by ascending
/// number, a window of them at once, at a pace; what fails is sent again after a pause, before all that comes after it. A hint holds
/// the definitions of its series, because whoever gets it may know none of them.
///
/// What does not fit, gets too old or is refused is given up aloud: the action names the slots in which the node needs repair.
/// After a restart the queue is made anew from what the log still holds, and what was delivered but not released yet is
/// delivered once more, which changes nothing. Times are monotonic ns. Actions are to be performed in their order.
package struct HintQueue: Sendable {
  package enum Action: Equatable, Sendable {
    /// Write the hint to the log under this number, then tell `stored` or `storeFailed`.
    case store(sequence: UInt64, WriteID)
    /// The hint is durable: tell `ReplicatedWrites`.
    case hinted(WriteID)
    /// There will be no hint: tell `ReplicatedWrites`.
    case hintGivenUp(WriteID)
    /// Read the hint from the log and send it to the node, then tell `acknowledged` or `failed`.
    case deliver(sequence: UInt64, attempt: UInt32)
    /// The log needs nothing up to this number any more.
    case release(upTo: UInt64)
    /// The node misses what so many hints held: see to it that it is repaired in these slots, before anything is released.
    case gaveUp(HintedSlots, count: Int)
  }

  /// A hint that the log still has when the queue is made.
  package struct Stored: Equatable, Sendable {
    package let sequence: UInt64
    package let bytes: Int
    /// When it was stored, in the time of now: the shell takes the age by the wall clock.
    package let time: Int64
    package let slots: HintedSlots

    package init(sequence: UInt64, bytes: Int, time: Int64, slots: HintedSlots) {
      self.sequence = sequence
      self.bytes = bytes
      self.time = time
      self.slots = slots
    }
  }

  enum State: Equatable, Sendable {
    case storing(WriteID)
    /// To be sent, for the first time or again.
    case pending
    case inFlight(until: Int64)
    /// Delivered or given up; it is there until all before it are done too.
    case done
  }

  struct Entry: Sendable {
    let sequence: UInt64
    let bytes: Int
    let time: Int64
    let slots: HintedSlots
    var state: State
    var attempt: UInt32 = 0
  }

  package let node: NodeID
  package let limits: HintLimits
  package internal(set) var counters = HintCounters()
  /// What the log holds that is not released, in bytes.
  package private(set) var bytes = 0
  package internal(set) var isUp: Bool
  var isRemoved = false
  private var nextSequence: UInt64
  /// Ascending by number; what lies before `head` is gone.
  private var entries: [Entry] = []
  private var head = 0
  var inFlight = 0
  var failures = 0
  var pausedUntil = Int64.min
  var bucket: TokenBucket
  #if DEBUG
    /// What a test broke.
    var planted: PlantedWriteBug?
  #endif

  /// The queue of a node, with what the log holds for it, ascending by number. `next` is above all numbers that were ever given.
  package init(
    for node: NodeID, limits: HintLimits = HintLimits(), stored: [Stored] = [], next: UInt64 = 1, isUp: Bool = true
  ) {
    self.node = node
    self.limits = limits
    self.isUp = isUp
    bucket = TokenBucket(perSecond: limits.bytesPerSecond, burst: limits.burst)
    nextSequence = max(next, (stored.last?.sequence ?? 0) &+ 1)
    for one in stored {
      entries.append(
        Entry(sequence: one.sequence, bytes: one.bytes, time: one.time, slots: one.slots, state: .pending))
      bytes += one.bytes
    }
  }

  /// Hints that are kept, whatever their state.
  package var count: Int { entries.count - head }

  var live: Range<Int> { head..<entries.count }

  subscript(index: Int) -> Entry {
    get { entries[index] }
    _modify { yield &entries[index] }
  }

  /// The place of a hint; nil where it is not kept. O(log n).
  func find(_ sequence: UInt64) -> Int? {
    var low = head
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].sequence < sequence { low = middle + 1 } else { high = middle }
    }
    return low < entries.count && entries[low].sequence == sequence ? low : nil
  }

  /// A hint of so many bytes, with rows of these slots.
  package mutating func append(_ write: WriteID, bytes: Int, slots: HintedSlots, now: Int64) -> [Action] {
    if isRemoved {
      counters.removed += 1
      return [.hintGivenUp(write)]
    }
    guard count < limits.countMax, bytes <= limits.bytesMax - self.bytes else {
      counters.tooMany += 1
      return gaveUp(slots, count: 1) + [.hintGivenUp(write)]
    }
    let sequence = nextSequence
    nextSequence += 1
    counters.appended += 1
    self.bytes += bytes
    entries.append(Entry(sequence: sequence, bytes: bytes, time: now, slots: slots, state: .storing(write)))
    return [.store(sequence: sequence, write)] + (isPlanted(.hintedBeforeStored) ? [.hinted(write)] : [])
  }

  func gaveUp(_ slots: HintedSlots, count: Int) -> [Action] {
    isPlanted(.hintsGivenUpSilently) ? [] : [.gaveUp(slots, count: count)]
  }

  /// Lets go of all that is done at the front.
  mutating func release() -> [Action] {
    var last: UInt64?
    while head < entries.count, entries[head].state == .done {
      last = entries[head].sequence
      bytes -= entries[head].bytes
      head += 1
    }
    if head > entries.count / 2 {
      entries.removeFirst(head)
      head = 0
    }
    return last.map { [.release(upTo: $0)] } ?? []
  }

  func isPlanted(_ bug: PlantedWriteBug) -> Bool {
    #if DEBUG
      planted == bug
    #else
      false
    #endif
  }
}
