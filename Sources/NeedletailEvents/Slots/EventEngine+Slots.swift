import NeedletailBlocks
import NeedletailTelemetry

// What a digest is of: each record that queries find within the window, once, wherever and however often it lies. A head
// adds its records up as it takes them, since it knows each of them; a part has digests of its own. Only where a head and
// a part, or two parts, have records of a slot at the same times may both have the same one, and are read. Retention
// counts by whole hours.

/// What the digests of a window were made of: as long as it is the same, they are.
struct DigestStamp: Equatable, Sendable {
  /// Of all that the heads have of the window.
  var head: RangeDigest
  var frozen: RangeDigest
  /// The parts that have anything of it, ascending.
  var parts: [PartID]
}

/// The state of an engine at one instant, as digests and exports read it.
struct EventSlotSnapshot {
  let head: [HeadBatch]
  let frozen: [HeadBatch]
  let parts: [EventPart]

  var sources: [SlotSource] { [.batches(head), .batches(frozen)] + parts.map { .part($0) } }
}

extension EventEngine: SlotContents {
  package var slotCount: Int { slots.count }

  private var reader: EventSlotReader { EventSlotReader(slots: eventSlots) }

  /// Whether something of a window may be told: nothing is of an hour that has begun to leave the retention.
  private func isKept(_ window: Int64) -> Bool {
    let earliest = acceptedTimes().lowerBound
    guard earliest > .min, let times = EventWindow.times(window) else { return true }
    return times.lowerBound >= earliest
  }

  /// Throws where a part that cannot be read may have something of the windows.
  private func check(_ windows: ClosedRange<Int64>) throws(SlotContentsError) {
    for part in state.withLock({ $0.unread }) {
      let own = part.record.summary.windows
      guard windows.overlaps(own), isKept(own.upperBound) else { continue }
      throw .damage("\(part.error)")
    }
  }

  /// The windows within a range that have anything, ascending.
  private func digestedWindows(in range: ClosedRange<Int64>) throws(SlotContentsError) -> [Int64] {
    try check(range)
    let (heads, parts) = state.withLock { state in
      (state.head.digests.windows + (state.frozen?.digests.windows ?? []), state.parts)
    }
    return Set(heads).union(parts.flatMap(\.digestedWindows)).filter { range.contains($0) && isKept($0) }.sorted()
  }

  package func digests(of windows: ClosedRange<Int64>) throws(SlotContentsError) -> [SlotWindow] {
    var result: [SlotWindow] = []
    for window in try digestedWindows(in: windows) {
      let digests = try digests(window)
      if digests.contains(where: { !$0.isEmpty }) { result.append(SlotWindow(window: window, digests: digests)) }
    }
    return result
  }

  package func windowDigests(
    of slot: UInt16
  ) throws(SlotContentsError) -> [(window: Int64, digest: RangeDigest)] {
    guard Int(slot) < slots.count else { return [] }
    let all = try digestedWindows(in: EventWindow.all)
    // More windows than are kept: of the older ones this slot alone is looked at.
    let older = all.count - min(all.count, digestCache.withLock { $0.windowsMax })
    var result: [(window: Int64, digest: RangeDigest)] = []
    for (place, window) in all.enumerated() {
      let digest = try place < older ? digests(window, only: slot) : digests(window)
      if !digest[Int(slot)].isEmpty { result.append((window, digest[Int(slot)])) }
    }
    return result
  }

  package func bucketDigests(
    of slot: UInt16, window: Int64
  ) throws(SlotContentsError) -> [(bucket: UInt8, digest: RangeDigest)] {
    var buckets = [RangeDigest](repeating: RangeDigest(), count: SlotMap.bucketCount)
    for (key, digest) in try keys(of: slot, window, where: { _ in true }) {
      buckets[Int(SlotMap.bucket(of: key))].add(digest)
    }
    return buckets.enumerated().filter { !$0.element.isEmpty }
      .map { (UInt8(truncatingIfNeeded: $0.offset), $0.element) }
  }

  package func listing(
    of slot: UInt16, window: Int64, in share: KeyShare
  ) throws(SlotContentsError) -> [(key: Hash128, digest: RangeDigest)] {
    try keys(of: slot, window) { share.contains($0) }
  }

  /// The keys of a slot that are wanted and what there is of each in a window, by key.
  private func keys(
    of slot: UInt16, _ window: Int64, where isWanted: (Hash128) -> Bool
  ) throws(SlotContentsError) -> [(key: Hash128, digest: RangeDigest)] {
    var result: [(key: Hash128, digest: RangeDigest)] = []
    for reference in try references(of: slot, window, where: isWanted) {
      if result.last?.key != reference.row.key { result.append((reference.row.key, RangeDigest())) }
      result[result.count - 1].digest.add(reference.row.digest)
    }
    return result
  }

  /// The rows of a slot's wanted keys in a window, each once, by key, time and content, and which source has it.
  func references(
    of slot: UInt16, _ window: Int64, where isWanted: (Hash128) -> Bool
  ) throws(SlotContentsError) -> [(source: Int, row: EventReference)] {
    try references(of: slot, window, in: slotSnapshot, where: isWanted)
  }

  func references(
    of slot: UInt16, _ window: Int64, in snapshot: EventSlotSnapshot, where isWanted: (Hash128) -> Bool
  ) throws(SlotContentsError) -> [(source: Int, row: EventReference)] {
    guard Int(slot) < slots.count, isKept(window), let times = EventWindow.times(window) else { return [] }
    try check(window...window)
    var found: [(source: Int, row: EventReference)] = []
    for (source, content) in snapshot.sources.enumerated() {
      try reader.forEach(content, in: times, slot: slot) { row in
        if slots.slot(of: row.key) == slot, isWanted(row.key) { found.append((source, row)) }
      }
    }
    found.sort { left, right in
      if left.row.key != right.row.key { return left.row.key < right.row.key }
      return left.row.event != right.row.event ? left.row.event < right.row.event : left.source < right.source
    }
    var kept = 0
    for index in found.indices {
      if kept > 0, found[kept - 1].row.key == found[index].row.key, found[kept - 1].row.event == found[index].row.event
      {
        continue
      }
      found[kept] = found[index]
      kept += 1
    }
    found.removeLast(found.count - kept)
    return found
  }

  var slotSnapshot: EventSlotSnapshot {
    let (head, frozen, parts) = state.withLock { state in
      (state.head.batches, state.frozen?.batches ?? BatchList(), state.parts)
    }
    return EventSlotSnapshot(
      head: head.all, frozen: frozen.all, parts: parts.sorted { $0.record.id < $1.record.id })
  }

  // MARK: - Windows

  /// The digests of a window by slot: as they were told before where it still has the same.
  private func digests(_ window: Int64, only slot: UInt16? = nil) throws(SlotContentsError) -> [RangeDigest] {
    let reader = reader
    let (snapshot, stamp, heads) = state.withLock { state in
      let parts = state.parts.filter { $0.digestedWindows.contains(window) }.sorted { $0.record.id < $1.record.id }
      let frozen = state.frozen ?? EventHead()
      let stamp = DigestStamp(
        head: state.head.digests.total(window), frozen: frozen.digests.total(window), parts: parts.map(\.record.id))
      return (
        (head: state.head.batches, frozen: frozen.batches, parts: parts), stamp,
        [state.head.digests.rows(window), frozen.digests.rows(window)]
      )
    }
    if let kept = digestCache.withLock({ $0[window] }), kept.mark == stamp { return kept.digests }
    var shares = SlotShares()
    for (source, rows) in heads.enumerated() {
      for (number, row) in rows where slot == nil || slot == number {
        if let times = row.times { shares.add(number, source: source, times, told: row.digest) }
      }
    }
    for (place, part) in snapshot.parts.enumerated() {
      for (number, row) in try part.digests(window, reader) where slot == nil || slot == number {
        if let times = row.times { shares.add(number, source: place + 2, times, told: row.digest) }
      }
    }
    let result = shares.result(slotCount: slots.count, sourceCount: snapshot.parts.count + 2)
    var digests = result.told
    if !result.isWhole {
      let all = EventSlotSnapshot(head: snapshot.head.all, frozen: snapshot.frozen.all, parts: snapshot.parts)
      try addUnread(result.unread, of: all, reader, to: &digests)
    }
    if slot == nil { digestCache.withLock { [digests] in $0.keep(digests, of: window, at: stamp) } }
    return digests
  }

  /// Adds the records of some slots of some sources, each once.
  ///
  /// In memory are 40 bytes for each of them.
  private func addUnread(
    _ unread: [[UInt16: ClosedRange<Int64>]], of snapshot: EventSlotSnapshot, _ reader: EventSlotReader,
    to digests: inout [RangeDigest]
  ) throws(SlotContentsError) {
    var found: [(slot: UInt16, digest: RangeDigest)] = []
    for (content, wanted) in zip(snapshot.sources, unread) {
      guard let first = wanted.values.map(\.lowerBound).min(), let last = wanted.values.map(\.upperBound).max() else {
        continue
      }
      try reader.forEach(content, in: first...last, slot: wanted.count == 1 ? wanted.keys.first : nil) { row in
        let slot = slots.slot(of: row.key)
        if wanted[slot]?.contains(row.event.time) == true { found.append((slot, row.digest)) }
      }
    }
    found.sort { left, right in
      if left.slot != right.slot { return left.slot < right.slot }
      let (one, other) = (left.digest, right.digest)
      return one.high != other.high ? one.high < other.high : one.low < other.low
    }
    for (index, row) in found.enumerated() where index == 0 || row != found[index - 1] {
      digests[Int(row.slot)].add(row.digest)
    }
  }

  // MARK: - What is damaged

  package func damagedWindows() -> [SlotDamage] {
    let (parts, unreadable) = state.withLock { state in
      (state.parts.sorted { $0.record.id < $1.record.id }, state.unreadable)
    }
    func damage(_ record: PartRecord, _ reason: String) -> SlotDamage {
      SlotDamage(slots: nil, windows: record.summary.windows, part: record.id.rawValue, reason: reason)
    }
    var damages = unreadable.map { damage($0.record, "\($0.error)") }
    for part in parts { if let reason = part.met.reason { damages.append(damage(part.record, reason)) } }
    return damages
  }

  package func passOver(_ damages: [SlotDamage]) -> [SlotDamage] {
    let ids = Set(damages.map { PartID($0.part) })
    let passed = state.withLock { state in
      let passed = ids.intersection(state.unreadable.map(\.record.id))
      state.passedOver.formUnion(passed)
      return passed
    }
    return damages.filter { passed.contains(PartID($0.part)) }
  }

  package func leaveOut(_ damages: [SlotDamage]) throws(SlotContentsError) {
    let ids = Set(damages.map { PartID($0.part) })
    let own = state.withLock { state -> Set<PartID>? in
      guard state.claimed.isDisjoint(with: ids) else { return nil }
      let own = ids.intersection(state.parts.map(\.record.id) + state.unreadable.map(\.record.id))
      state.claimed.formUnion(own)
      return own
    }
    guard let own else { throw .overloaded("a damaged part is being merged or dropped") }
    defer { release(own) }
    guard !own.isEmpty else { return }
    do throws(EventEngineError) { try drop(own) } catch { throw .unavailable("\(error)") }
  }
}

extension PartSummary {
  /// The windows that a part may have anything of, whatever a damaged header says.
  fileprivate var windows: ClosedRange<Int64> {
    EventWindow.of(min(minTime, maxTime))...EventWindow.of(max(minTime, maxTime))
  }
}
