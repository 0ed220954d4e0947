import NeedletailEnvironment

/// What a head knows of one series: 24 bytes; all zeros are a series of which the head has nothing.
struct SeriesState: BitwiseCopyable, Sendable {
  var chain = SampleChain()
  /// `logged`, and in the highest bit `isActive`.
  private var marks: UInt16 = 0
  /// What of the series is rare, as an index + 1 of a head's table of these; 0 where there is nothing.
  var rarity: UInt32 = 0

  private static let active: UInt16 = 1 << 15

  /// The log generation in which its labels were logged, as `SeriesStates.marker` tells it; 0 where in none.
  @inline(__always) var logged: UInt16 {
    get { marks & ~Self.active }
    set { marks = marks & Self.active | newValue & ~Self.active }
  }

  /// Whether something of it was applied to the head.
  @inline(__always) var isActive: Bool {
    get { marks & Self.active != 0 }
    set { marks = newValue ? marks | Self.active : marks & ~Self.active }
  }
}

/// What few series have, beside the state.
struct SeriesRarity: BitwiseCopyable, Sendable {
  /// Its newest histogram, as an index + 1; 0 where there is none.
  var histogramTail: UInt32 = 0
  /// The last change of its samples' start, as an index + 1; 0 where there is none.
  var startTail: UInt32 = 0
  /// When the count of its sample that came last began, in ms; 0 where nobody told.
  var startTimestamp: Int64 = 0
  /// The time of its latest histogram, in ms; meaningless while there is none.
  var histogramTime: Int64 = 0
}

/// The states of a head's series by their numbers in the directory, in pages that are made when a first series of them
/// comes.
///
/// A fresh head has none, whatever the directory holds.
struct SeriesStates: @unchecked Sendable {
  // The pages are written under the head's lock alone, and a copy is only made of a head that nobody writes any more.

  /// Pages are the system's own (`PageOwner`), and take memory only where there are series.
  private static let pageLog2 = 12
  private static let pageBytes = MemoryLayout<SeriesState>.stride << pageLog2

  private var pages: [UnsafeMutablePointer<SeriesState>?] = []
  private let owner = PageOwner()
  private var pageCount = 0

  var byteCount: Int { pageCount * Self.pageBytes + pages.count * 8 }

  /// Series of which there may be a state are numbered below this.
  var universe: Int { pages.count << Self.pageLog2 }

  /// A mark of a log generation that has 15 bits, is never 0, and differs from that of the 32,766 generations before.
  static func marker(_ generation: UInt64) -> UInt16 { UInt16(truncatingIfNeeded: generation % 32_767) + 1 }

  /// The state of a series, made where there is none; the address is good for as long as the table lives.
  @inline(__always) mutating func address(_ series: Int) -> UnsafeMutablePointer<SeriesState> {
    let page = series >> Self.pageLog2
    if page < pages.count, let known = pages[page] { return known + (series & ((1 << Self.pageLog2) - 1)) }
    return addPage(page) + (series & ((1 << Self.pageLog2) - 1))
  }

  /// The state of a series; nil where the head has nothing of it.
  @inline(__always) func find(_ series: Int) -> SeriesState? {
    let page = series >> Self.pageLog2
    guard page < pages.count, let known = pages[page] else { return nil }
    let state = known[series & ((1 << Self.pageLog2) - 1)]
    return state.isActive ? state : nil
  }

  /// Calls `body` with every series of which the head has something, ascending. O(series of the pages that there are).
  @inline(__always) func forEachActive(_ body: (_ series: Int) -> Void) {
    for (page, states) in pages.enumerated() {
      guard let states else { continue }
      for place in 0..<1 << Self.pageLog2 where states[place].isActive { body(page << Self.pageLog2 | place) }
    }
  }

  @inline(never) private mutating func addPage(_ page: Int) -> UnsafeMutablePointer<SeriesState> {
    while pages.count <= page { pages.append(nil) }
    let made = owner.addPage(byteCount: Self.pageBytes)
      .bindMemory(to: SeriesState.self, capacity: 1 << Self.pageLog2)
    pages[page] = made
    pageCount += 1
    return made
  }
}
