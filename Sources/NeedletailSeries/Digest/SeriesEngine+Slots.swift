import NeedletailBlocks
import NeedletailTelemetry

// The answers of digests are kept, since a cluster asks the same of each of its windows again and again, and only of the
// newest ones anything changes. What changed is told by the marks that range queries have for the same reason.

extension SeriesEngine: SlotContents {
  package var slotCount: Int { slots.count }

  package func digests(of windows: ClosedRange<Int64>) throws(SlotContentsError) -> [SlotWindow] {
    var result: [SlotWindow] = []
    if let range = SeriesWindow.range(windows) {
      do throws(SeriesDigestError) {
        let found = try kept(digestedWindows(in: range))
        result = found.map { SlotWindow(window: $0.window.number, digests: $0.digests) }
      } catch { throw SlotContentsError(error) }
    }
    if windows.contains(SlotWindow.timeless) {
      result.append(SlotWindow(window: SlotWindow.timeless, digests: try descriptionSums()))
    }
    return result.filter { $0.digests.contains { !$0.isEmpty } }
  }

  package func windowDigests(
    of slot: UInt16
  ) throws(SlotContentsError) -> [(window: Int64, digest: RangeDigest)] {
    try windowDigests(of: slot, within: .min ... .max)
  }

  package func windowDigests(
    of slot: UInt16, within windows: ClosedRange<Int64>
  ) throws(SlotContentsError) -> [(window: Int64, digest: RangeDigest)] {
    guard Int(slot) < slots.count else { return [] }
    var result: [(window: Int64, digest: RangeDigest)] = []
    if let range = SeriesWindow.range(windows) { result = try timedDigests(of: slot, in: range) }
    if windows.contains(SlotWindow.timeless) {
      result.append((SlotWindow.timeless, try descriptionSums()[Int(slot)]))
    }
    return result.filter { !$0.digest.isEmpty }
  }

  private func timedDigests(
    of slot: UInt16, in range: ClosedRange<SeriesWindow>
  ) throws(SlotContentsError) -> [(window: Int64, digest: RangeDigest)] {
    do throws(SeriesDigestError) {
      let all = try digestedWindows(in: range)
      // More windows than are kept: of the older ones this slot alone is looked at.
      let older = all.dropLast(digestCache.withLock { $0.windowsMax })
      let snapshot = slotSnapshot
      var result: [(window: Int64, digest: RangeDigest)] = []
      for (window, digests) in zip(older, try self.digests(Array(older), only: slot, snapshot)) {
        result.append((window.number, digests[Int(slot)]))
      }
      return result + (try digests(of: slot, in: Array(all.dropFirst(older.count))))
    } catch { throw SlotContentsError(error) }
  }

  /// The digests of a slot in some windows, those of all slots being kept of them.
  ///
  /// Where windows changed since, as they do all the time while a replica is being filled, all slots are worked out again
  /// once in a while only, and this slot alone meanwhile.
  private func digests(
    of slot: UInt16, in windows: [SeriesWindow]
  ) throws(SeriesDigestError) -> [(window: Int64, digest: RangeDigest)] {
    let now = clock.monotonicNanoseconds()
    let isDue = digestsWorkedOut.withLock { last in
      guard let last else { return true }
      return now &- last >= Self.digestsAllAfter
    }
    let changed = digestCache.withLock { cache in windows.map { cache[$0.number] } }
    let isStale = zip(windows, changed).contains { window, entry in
      entry.map { !changedTimes(since: $0.mark, within: window.times).isEmpty } ?? true
    }
    guard isStale, !isDue else {
      let found = try kept(windows)
      if isStale { digestsWorkedOut.withLock { $0 = clock.monotonicNanoseconds() } }
      return found.map { ($0.window.number, $0.digests[Int(slot)]) }
    }
    let snapshot = slotSnapshot
    return zip(windows, try digests(windows, only: slot, snapshot)).map { ($0.number, $1[Int(slot)]) }
  }

  /// In ns.
  private static var digestsAllAfter: Int64 { 10_000_000_000 }

  package func bucketDigests(
    of slot: UInt16, window: Int64
  ) throws(SlotContentsError) -> [(bucket: UInt8, digest: RangeDigest)] {
    var buckets = [RangeDigest](repeating: RangeDigest(), count: SlotMap.bucketCount)
    for (key, digest) in try listing(of: slot, window: window, in: .all) {
      buckets[Int(SlotMap.bucket(of: key))].add(digest)
    }
    return buckets.enumerated().filter { !$0.element.isEmpty }
      .map { (UInt8(truncatingIfNeeded: $0.offset), $0.element) }
  }

  package func listing(
    of slot: UInt16, window: Int64, in share: KeyShare
  ) throws(SlotContentsError) -> [(key: Hash128, digest: RangeDigest)] {
    if window == SlotWindow.timeless { return try descriptionListing(of: slot, in: share) }
    var result: [(key: Hash128, digest: RangeDigest)] = []
    guard var walk = try slotWalk(slot, window, where: { share.contains($0.hash) }) else { return [] }
    while let id = try walk.nextSeries() {
      let digest = walk.digest
      if !digest.isEmpty { result.append((id.hash, digest)) }
    }
    return result.sorted { $0.key < $1.key }
  }

  /// A walk over the series of a slot in a window that are wanted; nil where nothing is told of the window.
  func slotWalk(
    _ slot: UInt16, _ window: Int64, where isWanted: @escaping (SeriesID) -> Bool
  ) throws(SlotContentsError) -> SlotWalk? {
    let snapshot = slotSnapshot
    guard Int(slot) < slots.count, let window = SeriesWindow(number: window), snapshot.isKept(window) else {
      return nil
    }
    do throws(SeriesDigestError) { try snapshot.check(window) } catch { throw SlotContentsError(error) }
    var sources = snapshot.heads.map { SeriesSnapshot.Source.head($0) }
    for part in snapshot.parts where part.overlaps(window.range) {
      sources.append(.part(part, PartIndex(part, cache: blocks, deletions: snapshot.deletions[part.record.id])))
    }
    let wanted = [[UInt16: ClosedRange<Int64>]](repeating: [slot: window.times], count: sources.count)
    return SlotWalk(sources, wanted, slots, window.range, where: isWanted)
  }

  // MARK: - What is damaged

  package func damagedWindows() -> [SlotDamage] {
    let (parts, unreadable) = state.withLock { ($0.parts.byAge, $0.unreadable) }
    // Which descriptions a part has that cannot be opened is not known; those of others go with it.
    var damages = unreadable.flatMap { SlotDamage.all(of: $0.record, "\($0.damage)", hasDescriptions: true) }
    for part in parts {
      guard let reason = part.met.reason else { continue }
      damages += SlotDamage.all(of: part.record, reason, hasDescriptions: !part.content.metadata.isEmpty)
    }
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
    let isFree = state.withLock { state in
      guard state.claimed.isDisjoint(with: ids) else { return false }
      state.claimed.formUnion(ids)
      return true
    }
    guard isFree else { throw .overloaded("a damaged part is being merged or dropped") }
    var keepsClaims = false
    defer { if !keepsClaims { release(ids) } }
    do throws(CatalogError) {
      try replacing.withLock { (_) throws(CatalogError) in
        defer { keepsClaims = isUntold(ids) }
        try settleUntold()
        let listed = Set(try catalog.list(.series).map(\.id)).intersection(ids)
        if !listed.isEmpty { try drop(listed) }
      }
    } catch { throw .unavailable("\(error)") }
    forgetMetadata()
    remove(ids)
  }

  // MARK: - What is kept

  /// The digests of some windows by slot: as they were told before where nothing changed since.
  private func kept(
    _ windows: [SeriesWindow]
  ) throws(SeriesDigestError) -> [(window: SeriesWindow, digests: [SeriesDigest])] {
    // Taken first: what changes while this is worked out is then known to have changed since.
    let mark = changeMark
    let snapshot = slotSnapshot
    for window in windows where snapshot.isKept(window) { try snapshot.check(window) }
    var found = unchanged(windows, snapshot)
    let stale = windows.indices.filter { found[$0] == nil }
    let fresh = try digests(stale.map { windows[$0] }, only: nil, snapshot)
    for (place, digests) in zip(stale, fresh) {
      found[place] = digests
      digestCache.withLock { $0.keep(digests, of: windows[place].number, at: mark) }
    }
    return zip(windows, found).map { ($0, $1 ?? []) }
  }

  /// The digests of each of some windows as they were told before; nil where something may have changed since.
  private func unchanged(_ windows: [SeriesWindow], _ snapshot: SlotSnapshot) -> [[SeriesDigest]?] {
    let before = digestCache.withLock { cache in windows.map { cache[$0.number] } }
    return zip(windows, before).map { window, entry in
      guard let entry, snapshot.isKept(window) else { return nil }
      return changedTimes(since: entry.mark, within: window.times).isEmpty ? entry.digests : nil
    }
  }

  package func knownDigests(of windows: ClosedRange<Int64>) -> [SlotWindow]? {
    let snapshot = slotSnapshot
    guard !windows.contains(SlotWindow.timeless), let range = SeriesWindow.range(windows), snapshot.unreadable.isEmpty,
      let known = digestCache.withLock({ $0.known }),
      let changed = Self.windows(of: changedTimes(since: known.mark, within: snapshot.earliest ... .max))
    else { return nil }
    let some = known.windows.union(changed).compactMap { SeriesWindow(number: $0) }
      .filter { range.contains($0) && snapshot.isKept($0) }
    guard some.allSatisfy({ (try? snapshot.check($0)) != nil }) else { return nil }
    var told: [SlotWindow] = []
    for (window, digests) in zip(some, unchanged(some, snapshot)) {
      guard let digests else { return nil }
      told.append(SlotWindow(window: window.number, digests: digests))
    }
    return told
  }

  /// The windows within a range that may have anything, ascending; throws where a part that cannot be read may have
  /// something of the range.
  private func digestedWindows(
    in range: ClosedRange<SeriesWindow>
  ) throws(SeriesDigestError) -> [SeriesWindow] {
    let mark = changeMark
    let snapshot = slotSnapshot
    let times = range.lowerBound.range.startMilliseconds...range.upperBound.range.endMilliseconds
    for entry in snapshot.unreadable where times.overlaps(entry.record.summary.times) {
      if snapshot.isKept(SeriesWindow(of: entry.record.summary.maxTime)) { throw .damage(entry.damage) }
    }
    var windows: Set<Int64>
    let known = digestCache.withLock { $0.known }
    if let known, let changed = Self.windows(of: changedTimes(since: known.mark, within: snapshot.earliest ... .max)) {
      windows = known.windows.union(changed)
    } else {
      windows = []
      let all = SeriesWindow(of: .min)...SeriesWindow(of: .max)
      for head in snapshot.heads { windows.formUnion(HeadReading(head, slots, only: nil, all).windows.map(\.number)) }
      for part in snapshot.parts { windows.formUnion(part.digestedWindows.map(\.number)) }
    }
    digestCache.withLock { [windows] in $0.keep(windows, at: mark) }
    return windows.sorted().compactMap { SeriesWindow(number: $0) }
      .filter { range.contains($0) && snapshot.isKept($0) }
  }

  /// The windows that some times lie in; nil where they are so many that they are better looked for.
  private static func windows(of times: [ClosedRange<Int64>]) -> Set<Int64>? {
    var windows: Set<Int64> = []
    for range in times {
      let (first, last) = (SeriesWindow(of: range.lowerBound).number, SeriesWindow(of: range.upperBound).number)
      guard last - first < 48, windows.count < 96 else { return nil }
      windows.formUnion(first...last)
    }
    return windows
  }
}

extension PartSummary {
  /// Whatever a damaged header says.
  fileprivate var times: ClosedRange<Int64> { min(minTime, maxTime)...max(minTime, maxTime) }
}

extension SlotDamage {
  /// What may be lacking where a part is damaged.
  static func all(of record: PartRecord, _ reason: String, hasDescriptions: Bool) -> [SlotDamage] {
    let times = record.summary.times
    let (first, last) = (SeriesWindow(of: times.lowerBound), SeriesWindow(of: times.upperBound))
    let windows = [first.number...last.number] + (hasDescriptions ? [SlotWindow.timeless...SlotWindow.timeless] : [])
    return windows.map { SlotDamage(slots: nil, windows: $0, part: record.id.rawValue, reason: reason) }
  }
}

extension SlotWalk {
  /// `next`, with the errors of `SlotContents`.
  mutating func nextSeries() throws(SlotContentsError) -> SeriesID? {
    do throws(SeriesDigestError) { return try next() } catch { throw SlotContentsError(error) }
  }

  /// `remaining`, with the errors of `SlotContents`.
  mutating func remainingSeries() throws(SlotContentsError) -> [SeriesID] {
    do throws(SeriesDigestError) { return try remaining() } catch { throw SlotContentsError(error) }
  }
}

extension SlotContentsError {
  init(_ error: SeriesDigestError) {
    switch error {
    case .damage(let damage): self = .damage("\(damage)")
    case .cancelled: self = .cancelled
    }
  }
}
