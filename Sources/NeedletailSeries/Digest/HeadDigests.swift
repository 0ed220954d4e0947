import NeedletailEnvironment
import NeedletailTelemetry

/// What a head tells of one slot within one window: 32 bytes.
struct HeadDigestRow: BitwiseCopyable, Equatable, Sendable {
  private var low: UInt64 = 0
  private var high: UInt64 = 0
  /// How many samples and histograms were added; the highest bit says that something came late.
  private var countAndLate: UInt64 = 0
  /// The earliest and the latest time, in ms from the window's start; the wrong way round while there is none.
  private var first: UInt32 = .max
  private var last: UInt32 = 0

  private static let late: UInt64 = 1 << 63

  /// Whether something came that may have been there before, so that the sum is not that of a set.
  var isLate: Bool { countAndLate & Self.late != 0 }

  var isEmpty: Bool { first > last }

  /// The digest of what was added; means nothing where something came late.
  var digest: SeriesDigest { SeriesDigest(high: high, low: low, count: countAndLate & ~Self.late) }

  /// Between which times all lies that came, what came late included; only where there is something.
  func times(in window: SeriesWindow) -> ClosedRange<Int64> {
    let start = window.range.startMilliseconds
    return (start &+ Int64(first))...(start &+ Int64(last))
  }

  /// Adds the digest of elements between these times, in ms from the window's start.
  fileprivate mutating func add(_ elements: SeriesDigest, from first: UInt64, to last: UInt64) {
    let (sum, carry) = low.addingReportingOverflow(elements.low)
    low = sum
    high = high &+ elements.high &+ (carry ? 1 : 0)
    countAndLate &+= elements.count
    widen(first, last)
  }

  fileprivate mutating func noteLate(_ offset: UInt64) {
    countAndLate |= Self.late
    widen(offset, offset)
  }

  private mutating func widen(_ first: UInt64, _ last: UInt64) {
    self.first = min(self.first, UInt32(truncatingIfNeeded: first))
    self.last = max(self.last, UInt32(truncatingIfNeeded: last))
  }
}

/// The digests of what a head has of samples and histograms, by window and slot, kept up as they come.
///
/// A sum can only be kept of what is certainly new: of a series what is later than all that the head has of it, and that
/// is nearly all that comes. Where something else comes, the slot is marked as one to be read in that window, and what
/// its sum is there means nothing. Only so many windows are kept; of what comes outside of them nothing is told.
///
/// Float samples are added chunk by chunk when these are full and the next one is begun: finding and changing the sum costs more than hashing a
/// sample does. So the digest of a slot and window is that of its row here and of the last chunk of each series.
struct HeadDigests: @unchecked Sendable {
  // The pages are written under the head's lock alone, and a copy is only made of a head that nobody writes any more.

  /// A window as it is being added to.
  private struct Current {
    var start: Int64 = 0
    /// The last time of it, from its start.
    var last: UInt64 = 0
    /// Nil where nothing is told of it.
    var rows: UnsafeMutablePointer<HeadDigestRow>?
  }

  private static let bytesMax = 2 << 20

  let slots: SlotMap
  private let windowsMax: Int
  private var pages: [SeriesWindow: UnsafeMutablePointer<HeadDigestRow>] = [:]
  private let owner = PageOwner()
  private var current: Current?
  /// Windows of which something came and nothing is told. Each has something in the head, which bounds them.
  private(set) var untold: Set<SeriesWindow> = []

  init(_ slots: SlotMap) {
    self.slots = slots
    windowsMax = max(2, Self.bytesMax / (slots.count * MemoryLayout<HeadDigestRow>.stride))
  }

  var byteCount: Int {
    pages.count * slots.count * MemoryLayout<HeadDigestRow>.stride + untold.count * MemoryLayout<SeriesWindow>.stride
      * 2
  }

  // MARK: - Adding

  /// Adds samples of a series whose counts began at `start`, in ms: time and value, one behind the other.
  mutating func add(_ id: SeriesID, _ words: UnsafeBufferPointer<UInt64>, start: Int64) {
    let slot = Int(slots.slot(of: id))
    let key = SeriesDigest.key(id, start: start)
    var index = 0
    while index < words.count {
      let window = window(of: Int64(bitPattern: words[index]))
      var digest = SeriesDigest()
      var (first, last) = (UInt64.max, UInt64(0))
      while index < words.count {
        let time = Int64(bitPattern: words[index])
        let offset = UInt64(bitPattern: time &- window.start)
        guard offset <= window.last else { break }
        digest.add(SeriesDigest(of: key, time: time, bits: words[index + 1]))
        (first, last) = (min(first, offset), max(last, offset))
        index += 2
      }
      if let rows = window.rows { rows[slot].add(digest, from: first, to: last) }
    }
  }

  /// Adds a histogram that is later than all others of its series.
  mutating func add(_ id: SeriesID, _ time: Int64, histogram: UnsafeRawBufferPointer, start: Int64) {
    let window = window(of: time)
    let offset = UInt64(bitPattern: time &- window.start)
    guard let rows = window.rows else { return }
    rows[Int(slots.slot(of: id))].add(.histogram(id, time, histogram, start: start), from: offset, to: offset)
  }

  /// Notes that a series got something that may have been there before.
  mutating func noteLate(_ id: SeriesID, _ time: Int64) {
    let window = window(of: time)
    guard let rows = window.rows else { return }
    rows[Int(slots.slot(of: id))].noteLate(UInt64(bitPattern: time &- window.start))
  }

  /// The window of a time; mostly that of the one before.
  @inline(__always) private mutating func window(of time: Int64) -> Current {
    if let current, UInt64(bitPattern: time &- current.start) <= current.last { return current }
    return turn(to: time)
  }

  @inline(never) private mutating func turn(to time: Int64) -> Current {
    let window = SeriesWindow(of: time)
    let range = window.range
    let now = Current(
      start: range.startMilliseconds, last: UInt64(bitPattern: range.endMilliseconds &- range.startMilliseconds),
      rows: pages[window] ?? addPage(window))
    current = now
    return now
  }

  private mutating func addPage(_ window: SeriesWindow) -> UnsafeMutablePointer<HeadDigestRow>? {
    guard pages.count < windowsMax else {
      untold.insert(window)
      return nil
    }
    let page = owner.addPage(byteCount: slots.count * MemoryLayout<HeadDigestRow>.stride)
      .bindMemory(to: HeadDigestRow.self, capacity: slots.count)
    page.initialize(repeating: HeadDigestRow(), count: slots.count)
    pages[window] = page
    return page
  }

  // MARK: - Telling

  /// The windows of which something is told.
  var windows: [SeriesWindow] { pages.keys.sorted() }

  /// Whether no further window is told of.
  var isFull: Bool { pages.count >= windowsMax }

  /// What there is of each slot in a window, by slot; nil where it has to be read.
  func rows(_ window: SeriesWindow) -> [HeadDigestRow]? {
    guard let page = pages[window] else {
      // With room left, nothing of this window ever came.
      return pages.count < windowsMax ? [HeadDigestRow](repeating: HeadDigestRow(), count: slots.count) : nil
    }
    return withExtendedLifetime(owner) { Array(UnsafeBufferPointer(start: page, count: slots.count)) }
  }
}
