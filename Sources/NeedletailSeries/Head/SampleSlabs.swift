import NeedletailEnvironment
import NeedletailTelemetry

// Float samples of a head: chains of chunks in large pages, raw, 16 bytes a sample. A series' first chunk is small and
// each next one twice as large, up to a limit, so that a million series with few samples each stay small and a busy
// series is read in long runs. Nothing is freed singly: the whole head goes at once.

/// Where the samples of one series of a head are, and what is known of them: 18 bytes.
struct SampleChain: BitwiseCopyable, Sendable {
  /// Latest sample time in ms; meaningless while it is empty.
  fileprivate(set) var maxTime: Int64 = 0
  /// By how much the earliest is earlier; `max` stands for that and more.
  fileprivate var span: UInt32 = 0
  /// The newest chunk, as the number of its first word; 0 while there is none.
  fileprivate var tail: UInt32 = 0
  fileprivate var used: UInt8 = 0
  /// The capacity of the newest chunk; the highest bit says that some sample is not later than the one before it.
  fileprivate var capacityAndOrder: UInt8 = 0

  private static let unordered: UInt8 = 0x80

  fileprivate var capacity: UInt8 { capacityAndOrder & ~Self.unordered }

  /// Whether some sample is not later than the one before it.
  var isUnordered: Bool { capacityAndOrder & Self.unordered != 0 }

  var isEmpty: Bool { tail == 0 }

  /// Whether the sample that was stored last is the first of a chunk that is not the chain's first.
  @inline(__always) var hasTurned: Bool { used == 1 && capacity > SampleSlabs.firstCapacity }

  /// Where the sample lies that came last; later ones lie further on. Only where there is one.
  var lastPlace: UInt32 { tail + 2 * UInt32(used) - 2 }

  fileprivate mutating func noteUnordered() { capacityAndOrder |= Self.unordered }

  fileprivate mutating func begin(_ chunk: Int, capacity: Int) {
    tail = UInt32(truncatingIfNeeded: chunk)
    used = 0
    capacityAndOrder = UInt8(truncatingIfNeeded: capacity) | capacityAndOrder & Self.unordered
  }

  /// Moves the latest time on, to one that is later.
  @inline(__always) fileprivate mutating func advance(to time: Int64) {
    let step = UInt64(bitPattern: time &- maxTime)
    span = step < UInt64(UInt32.max - span) ? span + UInt32(truncatingIfNeeded: step) : .max
    maxTime = time
  }

  /// Moves the earliest time back where this one, which is not later than the latest, is earlier.
  fileprivate mutating func widen(to time: Int64) {
    span = max(span, UInt32(clamping: UInt64(bitPattern: maxTime &- time)))
  }
}

/// Some samples of a chain that lie side by side.
struct SampleChunk: BitwiseCopyable, Sendable {
  /// The number of the first word.
  var place: Int
  /// How many samples there are, of two words each.
  var count: Int
}

/// From a sample of a chain on, in order of arrival, up to the next such place: when the count began, in ms.
struct HeadStart: BitwiseCopyable, Sendable {
  /// `SampleChain.lastPlace` when the sample came.
  var place: UInt32
  var start: Int64
}

/// What became of a sample.
enum SampleArrival {
  /// It is later than all others.
  case newest
  /// It is later than the one that came before it, or not.
  case inOrder, outOfOrder
  /// It came with the time of the one that came before it, and settled with it: it lost, is the same, or won.
  case duplicate, repetition, replacement
}

struct SampleSlabs: @unchecked Sendable {
  // The pages are written under the head's lock alone, and a copy is only made of a head that nobody writes any more.

  /// Pages are huge ones (`PageOwner.hugeBytes`).
  private static let pageWordsLog2 = 18
  private static let pageWords = 1 << pageWordsLog2
  fileprivate static let firstCapacity = 4
  private static let capacityMax = 64
  /// A chain's links are 32 bits wide.
  private static let pagesMax = (1 << (32 - pageWordsLog2)) - 1

  private var pages: [UnsafeMutablePointer<UInt64>] = []
  private let owner = PageOwner()
  private var pageUsed = Self.pageWords

  var byteCount: Int { pages.count * Self.pageWords * 8 }

  /// Whether there is no room for `samples` more, whatever chains they go to.
  func isFull(for samples: Int) -> Bool {
    // The worst case is a new last chunk for every sample.
    let words = samples.multipliedReportingOverflow(by: 1 + 2 * Self.capacityMax)
    return words.overflow || pages.count + words.partialValue / (Self.pageWords / 2) + 2 > Self.pagesMax
  }

  @inline(__always) private func address(_ word: Int) -> UnsafeMutablePointer<UInt64> {
    pages[word >> Self.pageWordsLog2] + (word & (Self.pageWords - 1))
  }

  /// Adds a sample to a chain; one at the time of the last settles with it at once.
  @inline(__always) mutating func append(_ time: Int64, _ bits: UInt64, to chain: inout SampleChain) -> SampleArrival {
    if chain.used == 0 {
      addChunk(&chain)
      chain.maxTime = time
      store(time, bits, in: &chain)
      return .newest
    }
    if time > chain.maxTime {
      chain.advance(to: time)
      if chain.used == chain.capacity { addChunk(&chain) }
      store(time, bits, in: &chain)
      return .newest
    }
    return appendLate(time, bits, to: &chain)
  }

  @inline(__always) private mutating func store(_ time: Int64, _ bits: UInt64, in chain: inout SampleChain) {
    let place = address(Int(chain.tail) + Int(chain.used) * 2)
    place[0] = UInt64(bitPattern: time)
    place[1] = bits
    chain.used += 1
  }

  /// A sample that is not later than all that are there.
  @inline(never) private mutating func appendLate(
    _ time: Int64, _ bits: UInt64, to chain: inout SampleChain
  ) -> SampleArrival {
    let last = address(Int(chain.tail) + Int(chain.used) * 2 - 2)
    let lastTime = Int64(bitPattern: last[0])
    if time == lastTime {
      if last[1] == bits { return .repetition }
      last[1] = SampleRule.winner(last[1], bits)
      return last[1] == bits ? .replacement : .duplicate
    }
    chain.noteUnordered()
    chain.widen(to: time)
    if chain.used == chain.capacity { addChunk(&chain) }
    store(time, bits, in: &chain)
    return time < lastTime ? .outOfOrder : .inOrder
  }

  /// The newest chunk of a chain; one without samples where there is none.
  func newest(_ chain: SampleChain) -> SampleChunk {
    SampleChunk(place: Int(chain.tail), count: chain.isEmpty ? 0 : Int(chain.used))
  }

  /// The chunk before the newest one, which is full and will not change any more; only where there is one.
  func beforeNewest(_ chain: SampleChain) -> SampleChunk {
    let link = withExtendedLifetime(owner) { address(Int(chain.tail) - 1).pointee }
    return SampleChunk(place: Int(link & 0xffff_ffff), count: Int(link >> 32))
  }

  /// Lends the samples of a chunk: time and value, one behind the other.
  @inline(__always) func withWords(_ chunk: SampleChunk, _ body: (UnsafeBufferPointer<UInt64>) -> Void) {
    guard chunk.count > 0 else { return }
    withExtendedLifetime(owner) {
      body(UnsafeBufferPointer(start: address(chunk.place), count: 2 * chunk.count))
    }
  }

  /// Gives a chain a chunk, behind a word that leads to the one before; the first has none.
  @inline(never) private mutating func addChunk(_ chain: inout SampleChain) {
    let isFirst = chain.isEmpty
    let capacity = isFirst ? Self.firstCapacity : min(Int(chain.capacity) * 2, Self.capacityMax)
    let words = 2 * capacity + (isFirst ? 0 : 1)
    if pageUsed + words > Self.pageWords {
      let page = owner.addPage(byteCount: Self.pageWords * 8)
      pages.append(page.bindMemory(to: UInt64.self, capacity: Self.pageWords))
      // Word 0 stands for none; a first chunk fills a line of the processor's cache.
      pageUsed = pages.count == 1 ? 2 * Self.firstCapacity : 0
    }
    var start = (pages.count - 1) << Self.pageWordsLog2 | pageUsed
    pageUsed += words
    if !isFirst {
      // The one before is full.
      address(start).pointee = UInt64(chain.tail) | UInt64(chain.capacity) << 32
      start += 1
    }
    chain.begin(start, capacity: capacity)
  }

  /// Calls `body` with the chunks of a chain, the newest first: the number of the first word, and how many samples.
  private func forEachChunk(_ chain: SampleChain, _ body: (_ start: Int, _ used: Int) -> Void) {
    guard !chain.isEmpty else { return }
    var (word, used, capacity) = (Int(chain.tail), Int(chain.used), Int(chain.capacity))
    while true {
      body(word, used)
      guard capacity > Self.firstCapacity else { return }
      let before = address(word - 1).pointee
      word = Int(before & 0xffff_ffff)
      capacity = Int(before >> 32)
      used = capacity
    }
  }

  /// The earliest sample time of a chain, in ms; only where there is one.
  ///
  /// O(1), but where it is 49 days and more before the latest: O(samples).
  @inline(__always) func minTime(_ chain: SampleChain) -> Int64 {
    chain.span < UInt32.max ? chain.maxTime - Int64(chain.span) : searchedMinTime(chain)
  }

  @inline(never) private func searchedMinTime(_ chain: SampleChain) -> Int64 {
    var earliest = chain.maxTime
    withExtendedLifetime(owner) {
      forEachChunk(chain) { start, used in
        let words = address(start)
        for sample in 0..<used { earliest = min(earliest, Int64(bitPattern: words[2 * sample])) }
      }
    }
    return earliest
  }

  /// Appends a chain's samples within `range`, in order of arrival, with their starts.
  func collect(
    _ chain: SampleChain, starts: [HeadStart] = [], from start: Int64, to end: Int64, into columns: inout SampleColumns
  ) {
    guard !chain.isEmpty, minTime(chain) <= end, chain.maxTime >= start else { return }
    columns.noteStart(0)
    withExtendedLifetime(owner) {
      guard starts.isEmpty else { return collectStarted(chain, starts, from: start, to: end, into: &columns) }
      // Most series have one.
      guard Int(chain.capacity) > Self.firstCapacity else {
        append(Int(chain.tail), Int(chain.used), from: start, to: end, into: &columns)
        return
      }
      var chunks: [(start: Int, used: Int)] = []
      forEachChunk(chain) { chunks.append(($0, $1)) }
      for chunk in chunks.reversed() { append(chunk.start, chunk.used, from: start, to: end, into: &columns) }
    }
  }

  private func collectStarted(
    _ chain: SampleChain, _ starts: [HeadStart], from start: Int64, to end: Int64, into columns: inout SampleColumns
  ) {
    var chunks: [(start: Int, used: Int)] = []
    forEachChunk(chain) { chunks.append(($0, $1)) }
    var next = 0
    var current: Int64 = 0
    for chunk in chunks.reversed() {
      let words = address(chunk.start)
      for sample in 0..<chunk.used {
        while next < starts.count, Int(starts[next].place) <= chunk.start + 2 * sample {
          current = starts[next].start
          next += 1
        }
        let time = Int64(bitPattern: words[2 * sample])
        guard time >= start, time <= end else { continue }
        columns.noteStart(current)
        columns.append(time, words[2 * sample + 1])
      }
    }
  }

  @inline(__always) private func append(
    _ chunk: Int, _ used: Int, from start: Int64, to end: Int64, into columns: inout SampleColumns
  ) {
    let words = address(chunk)
    for sample in 0..<used {
      let time = Int64(bitPattern: words[2 * sample])
      if time >= start, time <= end { columns.append(time, words[2 * sample + 1]) }
    }
  }
}
