import NeedletailTelemetry

/// Puts the digests of one window together: out of what heads and parts tell where that is exact (`SlotShares`), otherwise
/// out of what is there.
///
/// What a part tells is of all that it holds, and so is what a head tells.
struct DigestReading {
  private let window: SeriesWindow
  private let slots: SlotMap
  private let only: UInt16?
  private var sources: [SeriesSnapshot.Source] = []
  private var shares = SlotShares()

  init(_ window: SeriesWindow, _ slots: SlotMap, only: UInt16?) {
    self.window = window
    self.slots = slots
    self.only = only
  }

  /// Adds what a head tells, of this window among others; heads come before parts.
  mutating func add(_ reading: HeadReading) {
    let source = sources.count
    if let told = reading.shares(window) {
      for share in told { shares.add(share.slot, source: source, share.times, told: share.told) }
    } else {
      reading.forEachUntold(window) { shares.add($0, source: source, $1, told: nil) }
    }
    sources.append(.head(reading.head))
  }

  /// Adds a part; `isTold` says that nothing of the window is deleted of it.
  mutating func add(_ part: SeriesPart, _ index: PartIndex, isTold: Bool) throws(SeriesDamage) {
    for (slot, row) in try part.digests(window) where only == nil || only == slot {
      let told = isTold && part.hasStartDigests ? row.digest : nil
      shares.add(slot, source: sources.count, row.first...row.last, told: told)
    }
    sources.append(.part(part, index))
  }

  /// The digests by slot.
  func run() throws(SeriesDigestError) -> [SeriesDigest] {
    var result = shares.result(slotCount: slots.count, sourceCount: sources.count)
    if result.isWhole { return result.told }
    var walk = SlotWalk(sources, result.unread, slots, window.range)
    while let id = try walk.next() { result.told[Int(slots.slot(of: id))].add(walk.digest) }
    return result.told
  }
}
