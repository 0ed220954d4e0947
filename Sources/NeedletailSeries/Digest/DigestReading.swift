import NeedletailTelemetry

/// Puts the digests of one window together: out of what heads and parts tell where that is exact, otherwise out of what
/// is there.
///
/// What a part tells is of all that it holds, and so is what a head tells. The sum over several sources is the digest of them together as long as
/// none of them can hold what another does: as long as their times within the slot and window are apart.
struct DigestReading {
  /// What one source has of a slot.
  private struct Share {
    var source: Int
    /// Between which times. Of a head nothing else is read: what comes meanwhile may stand elsewhere already.
    var times: ClosedRange<Int64>
    /// What the source tells; nil where it has to be read.
    var told: SeriesDigest?
  }

  private let window: SeriesWindow
  private let slots: SlotMap
  private let only: UInt16?
  private var sources: [SeriesSnapshot.Source] = []
  private var shares: [UInt16: [Share]] = [:]

  init(_ window: SeriesWindow, _ slots: SlotMap, only: UInt16?) {
    self.window = window
    self.slots = slots
    self.only = only
  }

  private var range: ClosedRange<Int64> { window.range.startMilliseconds...window.range.endMilliseconds }

  private func isWanted(_ slot: UInt16) -> Bool { only == nil || only == slot }

  private mutating func add(_ slot: UInt16, _ times: ClosedRange<Int64>, told: SeriesDigest?) {
    let source = sources.count
    var own = shares.removeValue(forKey: slot) ?? []
    var all = times
    if let last = own.last, last.source == source {
      own.removeLast()
      all = min(last.times.lowerBound, times.lowerBound)...max(last.times.upperBound, times.upperBound)
    }
    own.append(Share(source: source, times: all, told: told))
    shares[slot] = own
  }

  /// Adds a head; heads come before parts.
  mutating func add(_ head: SeriesHead) {
    let records = head.directory.records
    if !addTold(head, records) { addUntold(head, records) }
    sources.append(.head(head))
  }

  private func exemplars(of head: SeriesHead, _ records: DirectoryRecords) -> [StoredExemplar] {
    head.withStorage { [range] storage in
      storage.exemplars(from: range.lowerBound, to: range.upperBound) { $0 < records.count }
    }.filter { isWanted(slots.slot(of: records.id($0.series))) }
  }

  /// Adds what a head tells: its sums, what is not in them yet, and its exemplars, each once.
  ///
  /// The lock is not held all the while. What is added to a sum meanwhile may be counted in both or in neither: then the
  /// slot is read. False, and nothing was added, where nothing is told of the window.
  private mutating func addTold(_ head: SeriesHead, _ records: DirectoryRecords) -> Bool {
    func rows() -> [HeadDigestRow]? { head.withStorage { [window] storage in storage.digests.rows(window) } }
    guard let before = rows() else { return false }
    var found: [UInt16: DigestRow] = [:]
    addUndigested(of: head, records, to: &found)
    for exemplar in Set(exemplars(of: head, records)) {
      let id = records.id(exemplar.series)
      found[slots.slot(of: id), default: DigestRow()].add(
        .exemplar(id, exemplar), exemplar.timestamp...exemplar.timestamp)
    }
    guard let after = rows() else { return false }
    for (number, row) in after.enumerated() {
      let slot = UInt16(truncatingIfNeeded: number)
      guard isWanted(slot) else { continue }
      var all = found[slot] ?? DigestRow()
      if !row.isEmpty { all.add(row.digest, row.times(in: window)) }
      guard all.first <= all.last else { continue }
      let isTold = before[number] == row && !row.isLate
      add(slot, all.first...all.last, told: isTold ? all.digest : nil)
    }
    return true
  }

  /// Adds the samples of a head that are in no sum yet.
  private func addUndigested(
    of head: SeriesHead, _ records: DirectoryRecords, to found: inout [UInt16: DigestRow]
  ) {
    let range = window.range
    forEachWanted(of: head, records) { storage, number in
      let id = records.id(number)
      return storage.withUndigested(number) { words in
        var row = DigestRow()
        row.digest.add(words, of: id, in: range)
        if row.digest.isEmpty { return nil }
        for index in Swift.stride(from: 0, to: words.count, by: 2) {
          let time = Int64(bitPattern: words[index])
          if range.contains(time) { row.widen(time, time) }
        }
        return (slots.slot(of: id), row)
      }
    } body: { (slot: UInt16, row: DigestRow) in
      found[slot, default: DigestRow()].add(row.digest, row.first...row.last)
    }
  }

  /// Asks a head for something of each of its series that are of a wanted slot; the lock is given back now and then.
  private func forEachWanted<Found: Sendable>(
    of head: SeriesHead, _ records: DirectoryRecords, _ find: (borrowing HeadStorage, Int) -> Found?,
    body: (Found) -> Void
  ) {
    // Series may have come since the records were taken.
    let active = head.withStorage { $0.activeSeries }.filter {
      Int($0) < records.count && isWanted(slots.slot(of: records.id(Int($0))))
    }
    for start in stride(from: 0, to: active.count, by: 16_384) {
      let some = active[start..<min(start + 16_384, active.count)]
      for found in head.withStorage({ storage in some.compactMap { find(storage, Int($0)) } }) { body(found) }
    }
  }

  /// Adds what a head has, where it tells nothing of it.
  private mutating func addUntold(_ head: SeriesHead, _ records: DirectoryRecords) {
    let range = range
    var found: [(Int, ClosedRange<Int64>)] = []
    forEachWanted(of: head, records) { storage, number in
      storage.bounds(number, in: range).map { (number, $0) }
    } body: {
      found.append($0)
    }
    for (number, times) in found { add(slots.slot(of: records.id(number)), times, told: nil) }
    for exemplar in exemplars(of: head, records) {
      add(slots.slot(of: records.id(exemplar.series)), exemplar.timestamp...exemplar.timestamp, told: nil)
    }
  }

  /// Adds a part; `isTold` says that nothing of the window is deleted of it.
  mutating func add(_ part: SeriesPart, _ index: PartIndex, isTold: Bool) throws(SeriesDamage) {
    for (slot, row) in try part.digests(window) where isWanted(slot) {
      add(slot, row.first...row.last, told: isTold ? row.digest : nil)
    }
    sources.append(.part(part, index))
  }

  /// The digests by slot.
  func run() throws(SeriesDigestError) -> [SeriesDigest] {
    var result = [SeriesDigest](repeating: SeriesDigest(), count: slots.count)
    // For each source the slots that have to be read of it, and between which times.
    var unread = [[UInt16: ClosedRange<Int64>]](repeating: [:], count: sources.count)
    for (slot, shares) in shares where Int(slot) < slots.count {
      for group in Self.groups(shares) {
        if group.count == 1, let told = group[0].told {
          result[Int(slot)].add(told)
        } else {
          for share in group { unread[share.source][slot] = share.times }
        }
      }
    }
    guard unread.contains(where: { !$0.isEmpty }) else { return result }
    var walk = DigestWalk(sources, unread, slots, window.range)
    do throws(SeriesDamage) { try walk.run(into: &result) } catch { throw .damage(error) }
    if walk.isCancelled { throw .cancelled }
    return result
  }

  /// The shares as groups that are apart in time from each other.
  private static func groups(_ shares: [Share]) -> [[Share]] {
    if shares.count == 1 { return [shares] }
    var groups: [[Share]] = []
    var end = Int64.min
    for share in shares.sorted(by: { ($0.times.lowerBound, $0.source) < ($1.times.lowerBound, $1.source) }) {
      if !groups.isEmpty, share.times.lowerBound <= end {
        groups[groups.count - 1].append(share)
      } else {
        groups.append([share])
      }
      end = max(end, share.times.upperBound)
    }
    return groups
  }
}
