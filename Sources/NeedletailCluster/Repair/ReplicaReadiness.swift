// Which of its slots a node has all of. docs/cluster.md has the rule and its proof.

/// For each slot of a node whether it is ready: whether it holds all that it ever acknowledged, or that another disk
/// acknowledged in its name.
///
/// A new or emptied replica lacks everything, a damaged one some windows. It becomes ready again when exchanges
/// (`AntiEntropy`) that began since gave it what N-W+1 ready replicas have, or what all other replicas have, ready or
/// not.
package struct ReplicaReadiness: Equatable, Sendable {
  /// What is kept on the node's own disk, so that it shares that disk's fate.
  package struct Record: Equatable, Sendable {
    /// The assignment with which the node became a replica of the slot. If it was none for a while, nothing of before
    /// counts.
    package var since: UInt64
    /// The windows of which the node may lack something, apart and ascending.
    package var lacks: [ClosedRange<Int64>]

    package init(since: UInt64, lacks: [ClosedRange<Int64>]) {
      self.since = since
      self.lacks = lacks
    }
  }

  package enum State: Equatable, Sendable {
    case ready
    /// New or emptied: it may lack anything.
    case filling
    /// It may lack something of these windows.
    case damaged([ClosedRange<Int64>])
  }

  /// An exchange that ended: all that the other one had in these windows when it began is here, and durable.
  package struct Comparison: Equatable, Sendable {
    package var slot: UInt16
    package var node: NodeID
    /// The other one said in each of its answers that it was ready for the windows.
    package var wasReady: Bool
    package var windows: ClosedRange<Int64>
    /// What `fill(of:)` was when the exchange began.
    package var fill: UInt64

    package init(slot: UInt16, node: NodeID, wasReady: Bool, windows: ClosedRange<Int64>, fill: UInt64) {
      self.slot = slot
      self.node = node
      self.wasReady = wasReady
      self.windows = windows
      self.fill = fill
    }
  }

  /// Why a replica is ready.
  package enum Grounds: Equatable, Sendable {
    /// It has what N-W+1 ready replicas have.
    case quorum
    /// It has what all others have. Where fewer than N-W+1 of them were ready, more than W-1 replicas had lost their
    /// disks at a time, and what was acknowledged may be lost: worth a word to the operator.
    case everybody
    /// What it lacked has expired.
    case expiry
  }

  package enum Action: Equatable, Sendable {
    /// Keeps the record, or forgets it: after a sync of all that was appended before, and before damaged data is left
    /// out of digests.
    case store(UInt16, Record?)
    case ready(UInt16, Grounds)
  }

  private struct Entry: Equatable, Sendable {
    var others: [NodeID]
    var writeQuorum: Int
    var record: Record
    var epoch: UInt64
    var fill: UInt64
    /// With whom it was compared, and whether that one was ready.
    var compared: [NodeID: Bool] = [:]
    /// All others were compared with once, and some of them were not ready.
    var isSecondPass = false

    /// What was not ready may have changed since.
    mutating func beginPass(_ fill: UInt64, isSecond: Bool) {
      self.fill = fill
      isSecondPass = isSecond
      compared = compared.filter(\.value)
    }
  }

  private static let everything: [ClosedRange<Int64>] = [.min ... .max]

  private let node: NodeID
  private var records: [UInt16: Record]
  private var entries: [UInt16: Entry] = [:]
  /// Numbers fills, so that what was compared before something got lost does not count after it.
  private var fills: UInt64 = 0
  var bug: PlantedReadBug?

  /// A node with what its disk has of records: none, where the disk is new.
  package init(_ node: NodeID, records: [UInt16: Record]) {
    self.node = node
    self.records = records
  }

  // MARK: - Asking

  /// Nil where the node is no replica of the slot.
  package func state(of slot: UInt16) -> State? {
    guard let entry = entries[slot] else { return nil }
    if entry.record.lacks.isEmpty { return .ready }
    return entry.record.lacks == Self.everything ? .filling : .damaged(entry.record.lacks)
  }

  /// Whether the node may vote on what these windows of the slot have.
  package func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool {
    guard let entry = entries[slot] else { return false }
    return !entry.record.lacks.contains { $0.overlaps(windows) }
  }

  /// The number of the slot's fill, for exchanges that begin now.
  package func fill(of slot: UInt16) -> UInt64 { entries[slot]?.fill ?? 0 }

  /// With whom the slot has yet to be compared, and over which windows, for it to become ready.
  package func awaited(_ slot: UInt16) -> (partners: [NodeID], windows: ClosedRange<Int64>)? {
    guard let entry = entries[slot], let windows = Self.hull(entry.record.lacks) else { return nil }
    return (entry.others.filter { entry.compared[$0] != true }, windows)
  }

  /// The slots that are not ready for all windows, ascending.
  package var unready: [UInt16] { entries.keys.sorted().filter { state(of: $0) != .ready } }

  // MARK: - Events

  /// The node is a replica of the slot since the assignment of that number, with these replicas, itself among them.
  ///
  /// `epoch` is that of the newest assignment that it knows, which a loss of any of the replicas makes a new one. Where
  /// nothing can have been acknowledged before (`SlotTenures.isFromTheStart`) a replica without a record lacks nothing.
  package mutating func assigned(
    _ slot: UInt16, replicas: [NodeID], writeQuorum: Int, since: UInt64, epoch: UInt64, isFromTheStart: Bool = false
  ) -> [Action] {
    let others = Set(replicas).subtracting([node]).sorted()
    fills += 1
    if var entry = entries[slot], entry.record.since == since {
      if entry.others == others, entry.writeQuorum == writeQuorum, entry.epoch == epoch { return [] }
      entry.others = others
      entry.writeQuorum = writeQuorum
      entry.epoch = epoch
      entry.compared = entry.compared.filter { others.contains($0.key) }
      entry.beginPass(fills, isSecond: false)
      entries[slot] = entry
      return settle(slot)
    }
    let kept = records[slot].flatMap { $0.since == since ? $0 : nil }
    let isNew = records[slot] == nil && isFromTheStart
    let record = kept ?? Record(since: since, lacks: isNew ? [] : Self.everything)
    entries[slot] = Entry(others: others, writeQuorum: writeQuorum, record: record, epoch: epoch, fill: fills)
    records[slot] = record
    return (kept == nil ? [.store(slot, record)] : []) + settle(slot)
  }

  /// The node is no replica of the slot any more.
  package mutating func unassigned(_ slot: UInt16) -> [Action] {
    entries[slot] = nil
    return records.removeValue(forKey: slot) == nil ? [] : [.store(slot, nil)]
  }

  /// Something durable of these windows cannot be read any more.
  package mutating func damaged(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> [Action] {
    guard var entry = entries[slot], bug != .damageForgotten else { return [] }
    fills += 1
    entry.compared = [:]
    entry.beginPass(fills, isSecond: false)
    entry.record.lacks = Self.united(entry.record.lacks + [windows])
    entries[slot] = entry
    records[slot] = entry.record
    return [.store(slot, entry.record)] + settle(slot)
  }

  /// What lies before the window has expired, and is lacked no more.
  package mutating func expired(before first: Int64) -> [Action] {
    var actions: [Action] = []
    for slot in entries.keys.sorted() {
      guard let lacks = entries[slot]?.record.lacks, lacks.contains(where: { $0.upperBound < first }) else { continue }
      let left = lacks.filter { $0.upperBound >= first }
      entries[slot]?.record.lacks = left
      records[slot]?.lacks = left
      actions.append(.store(slot, records[slot]))
      if left.isEmpty { actions.append(.ready(slot, .expiry)) }
    }
    return actions
  }

  package mutating func compared(_ comparison: Comparison) -> [Action] {
    guard var entry = entries[comparison.slot], entry.fill == comparison.fill,
      entry.others.contains(comparison.node), let lacks = Self.hull(entry.record.lacks),
      comparison.windows.lowerBound <= lacks.lowerBound, lacks.upperBound <= comparison.windows.upperBound
    else { return [] }
    // One that was ready once gave what it had to give.
    entry.compared[comparison.node] = comparison.wasReady || entry.compared[comparison.node] == true
    entries[comparison.slot] = entry
    return settle(comparison.slot)
  }

  /// Makes the slot ready where the rule says so.
  private mutating func settle(_ slot: UInt16) -> [Action] {
    guard let entry = entries[slot], !entry.record.lacks.isEmpty else { return [] }
    let ready = entry.compared.values.count { $0 || bug == .readyWithUnreadyPartners }
    let quorum = bug == .readyAfterOnePartner ? 1 : max(1, entry.others.count + 2 - entry.writeQuorum)
    if ready >= quorum { return makeReady(slot, .quorum) }
    guard entry.others.allSatisfy({ entry.compared[$0] != nil }) else { return [] }
    if ready == entry.others.count || entry.isSecondPass || bug == .readyAfterOnePass {
      return makeReady(slot, .everybody)
    }
    fills += 1
    entries[slot]?.beginPass(fills, isSecond: true)
    return []
  }

  private mutating func makeReady(_ slot: UInt16, _ grounds: Grounds) -> [Action] {
    entries[slot]?.record.lacks = []
    entries[slot]?.compared = [:]
    records[slot]?.lacks = []
    return [.store(slot, records[slot]), .ready(slot, grounds)]
  }

  // MARK: - Windows

  private static func hull(_ ranges: [ClosedRange<Int64>]) -> ClosedRange<Int64>? {
    guard let first = ranges.first, let last = ranges.last else { return nil }
    return first.lowerBound...last.upperBound
  }

  private static func united(_ ranges: [ClosedRange<Int64>]) -> [ClosedRange<Int64>] {
    var united: [ClosedRange<Int64>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = united.last, last.overlaps(range) {
        united[united.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        united.append(range)
      }
    }
    return united
  }
}
