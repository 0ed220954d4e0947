import NeedletailTelemetry

/// What a head tells of some windows, looked up once for all of them: its sums, what is not in them yet, and its
/// exemplars, each once.
///
/// The lock is not held all the while. What is added to a sum meanwhile may be counted in both or in neither: then the
/// slot has to be read.
struct HeadReading {
  /// What the head has of a slot in a window.
  struct Share {
    var slot: UInt16
    /// Between which times, in ms.
    var times: ClosedRange<Int64>
    /// Nil where it has to be read.
    var told: SeriesDigest?
  }

  /// Rows by window, and within it by slot.
  private struct Rows {
    private var places: [SeriesWindow: Int] = [:]
    private var current: (window: SeriesWindow, place: Int)?
    private(set) var pages: [[DigestRow]] = []

    var windows: some Sequence<SeriesWindow> { places.keys }

    subscript(window: SeriesWindow) -> [DigestRow]? { places[window].map { pages[$0] } }

    mutating func add(
      _ digest: SeriesDigest, _ times: ClosedRange<Int64>, to window: SeriesWindow, _ slots: SlotMap, _ slot: UInt16
    ) {
      if current?.window != window {
        let place = places[window] ?? pages.count
        if place == pages.count {
          places[window] = place
          pages.append([DigestRow](repeating: DigestRow(), count: slots.count))
        }
        current = (window, place)
      }
      guard let current else { return }
      pages[current.place][Int(slot)].add(digest, times)
    }
  }

  let head: SeriesHead
  let records: DirectoryRecords
  private let slots: SlotMap
  private let only: UInt16?
  private let range: ClosedRange<SeriesWindow>
  /// The sums before and after the rest was looked up.
  private var before: [SeriesWindow: [HeadDigestRow]] = [:]
  private var after: [SeriesWindow: [HeadDigestRow]] = [:]
  private var isFull = false
  private var untold: Set<SeriesWindow> = []
  private var rest = Rows()

  init(_ head: SeriesHead, _ slots: SlotMap, only: UInt16?, _ range: ClosedRange<SeriesWindow>) {
    self.head = head
    self.slots = slots
    self.only = only
    self.range = range
    records = head.directory.records
    before = sums()
    addExemplars()
    addUndigested()
    after = sums()
    (isFull, untold) = head.withStorage { [range] storage in
      (storage.digests.isFull, storage.digests.untold.filter { range.contains($0) })
    }
  }

  private var times: ClosedRange<Int64> {
    range.lowerBound.range.startMilliseconds...range.upperBound.range.endMilliseconds
  }

  func isWanted(_ slot: UInt16) -> Bool { only == nil || only == slot }

  private func sums() -> [SeriesWindow: [HeadDigestRow]] {
    head.withStorage { [range] storage in
      storage.digests.windows.reduce(into: [:]) { sums, window in
        if range.contains(window) { sums[window] = storage.digests.rows(window) }
      }
    }
  }

  private mutating func addExemplars() {
    let times = times
    let found = head.withStorage { [records] storage in
      storage.exemplars(from: times.lowerBound, to: times.upperBound) { $0 < records.count }
    }
    for exemplar in Set(found) {
      let (id, time) = (records.id(exemplar.series), exemplar.timestamp)
      let slot = slots.slot(of: id)
      guard isWanted(slot) else { continue }
      rest.add(.exemplar(id, exemplar), time...time, to: SeriesWindow(of: time), slots, slot)
    }
  }

  /// Adds the samples that are in no sum yet.
  private mutating func addUndigested() {
    let active = head.active(records) { isWanted(slots.slot(of: $0)) }
    let times = times
    for start in stride(from: 0, to: active.count, by: 16_384) {
      let some = active[start..<min(start + 16_384, active.count)]
      head.withStorage { storage in
        for number in some {
          let id = records.id(Int(number))
          storage.forEachUndigested(Int(number)) { add($0, of: id, start: $1, in: times) }
        }
      }
    }
  }

  private mutating func add(
    _ words: UnsafeBufferPointer<UInt64>, of id: SeriesID, start: Int64, in times: ClosedRange<Int64>
  ) {
    let slot = slots.slot(of: id)
    let key = SeriesDigest.key(id, start: start)
    var index = 0
    while index < words.count {
      let time = Int64(bitPattern: words[index])
      guard times.contains(time) else {
        index += 2
        continue
      }
      let window = SeriesWindow(of: time)
      let range = window.range
      var row = DigestRow()
      while index < words.count, case let time = Int64(bitPattern: words[index]), range.contains(time) {
        row.add(SeriesDigest(of: key, time: time, bits: words[index + 1]), time...time)
        index += 2
      }
      rest.add(row.digest, row.first...row.last, to: window, slots, slot)
    }
  }

  // MARK: - Telling

  /// The windows that may have something; in no order.
  var windows: Set<SeriesWindow> {
    Set(before.keys).union(after.keys).union(rest.windows).union(untold)
  }

  /// What the head has of each wanted slot in a window, by slot; nil where nothing is told of the window.
  func shares(_ window: SeriesWindow) -> [Share]? {
    let (before, after) = (before[window], after[window])
    guard before != nil || !isFull else { return nil }
    let rest = rest[window]
    var shares: [Share] = []
    for slot in 0..<slots.count {
      let number = UInt16(truncatingIfNeeded: slot)
      guard isWanted(number) else { continue }
      var all = rest?[slot] ?? DigestRow()
      let row = after?[slot] ?? HeadDigestRow()
      if !row.isEmpty { all.add(row.digest, row.times(in: window)) }
      guard all.first <= all.last else { continue }
      let isTold = (before?[slot] ?? HeadDigestRow()) == row && !row.isLate
      shares.append(Share(slot: number, times: all.first...all.last, told: isTold ? all.digest : nil))
    }
    return shares
  }

  /// Calls `body` with the times between which each series of a wanted slot has something in a window, where nothing
  /// is told.
  func forEachUntold(_ window: SeriesWindow, _ body: (UInt16, ClosedRange<Int64>) -> Void) {
    let range = window.range.startMilliseconds...window.range.endMilliseconds
    let active = head.active(records) { isWanted(slots.slot(of: $0)) }
    for start in stride(from: 0, to: active.count, by: 16_384) {
      let some = active[start..<min(start + 16_384, active.count)]
      let found = head.withStorage { storage in
        some.compactMap { number in storage.bounds(Int(number), in: range).map { (number, $0) } }
      }
      for (number, times) in found { body(slots.slot(of: records.id(Int(number))), times) }
    }
    for (slot, row) in (rest[window] ?? []).enumerated() where row.first <= row.last {
      body(UInt16(truncatingIfNeeded: slot), row.first...row.last)
    }
  }
}

extension SeriesHead {
  /// The series that the head has something of, among those of which the records tell, that `isWanted` accepts;
  /// ascending.
  func active(_ records: DirectoryRecords, where isWanted: (SeriesID) -> Bool) -> [UInt32] {
    withStorage { $0.activeSeries }.filter { Int($0) < records.count && isWanted(records.id(Int($0))) }
  }
}
