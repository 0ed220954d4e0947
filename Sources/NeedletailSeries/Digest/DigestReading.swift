import NeedletailTelemetry

/// Puts the digests of one window together: out of what parts tell where that is exact, otherwise out of what is there.
///
/// What a part tells is of all that it holds. The sum over several sources is the digest of them together as long as
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
    let range = range
    // Series may have come since the records were taken.
    let active = head.withStorage { $0.activeSeries }.filter {
      Int($0) < records.count && isWanted(slots.slot(of: records.id(Int($0))))
    }
    for start in stride(from: 0, to: active.count, by: 16_384) {
      let some = active[start..<min(start + 16_384, active.count)]
      let found = head.withStorage { storage in
        some.compactMap { number in storage.bounds(Int(number), in: range).map { (Int(number), $0) } }
      }
      for (number, times) in found { add(slots.slot(of: records.id(number)), times, told: nil) }
    }
    let exemplars = head.withStorage { storage in
      storage.exemplars(from: range.lowerBound, to: range.upperBound) { $0 < records.count }
    }
    for exemplar in exemplars {
      let slot = slots.slot(of: records.id(exemplar.series))
      if isWanted(slot) { add(slot, exemplar.timestamp...exemplar.timestamp, told: nil) }
    }
    sources.append(.head(head))
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
