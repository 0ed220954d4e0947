// Float samples of a head: chains of chunks in large pages, raw, 16 bytes a sample. A series' first chunk is small and
// each next one twice as large, up to a limit, so that a million series with few samples each stay small and a busy
// series is read in long runs. Nothing is freed singly: the whole head goes at once.

/// Where the samples of one series of a head are, and what is known of them.
struct SampleChain: Sendable {
  static let none = UInt32.max

  /// The newest chunk, as a word's number.
  fileprivate(set) var tail = Self.none
  fileprivate(set) var used: UInt16 = 0
  fileprivate(set) var capacity: UInt16 = 0
  fileprivate(set) var count: UInt32 = 0
  /// Whether some sample is not later than the one before it.
  fileprivate(set) var isUnordered = false
  fileprivate(set) var lastTime = Int64.min
  /// Earliest and latest sample time in ms; meaningless while `count` is 0.
  fileprivate(set) var minTime = Int64.max
  fileprivate(set) var maxTime = Int64.min
}

/// What became of a sample.
enum SampleArrival {
  case inOrder, outOfOrder, duplicate
}

struct SampleSlabs: Sendable {
  private static let pageWordsLog2 = 17
  private static let pageWords = 1 << pageWordsLog2
  private static let firstCapacity = 4
  private static let capacityMax = 64
  /// A chain's links are 32 bits wide.
  private static let pagesMax = (1 << (32 - pageWordsLog2)) - 1

  private var pages: [[UInt64]] = []
  private var pageUsed = Self.pageWords

  var byteCount: Int { pages.count * Self.pageWords * 8 }

  /// Whether there is no room for `samples` more, whatever chains they go to.
  func isFull(for samples: Int) -> Bool {
    // The worst case is a new first chunk for every sample.
    let words = samples.multipliedReportingOverflow(by: 1 + 2 * Self.capacityMax)
    return words.overflow || pages.count + words.partialValue / (Self.pageWords / 2) + 2 > Self.pagesMax
  }

  /// Adds a sample to a chain; one at the time of the last settles with it at once.
  @inline(__always) mutating func append(_ time: Int64, _ bits: UInt64, to chain: inout SampleChain) -> SampleArrival {
    var arrival = SampleArrival.inOrder
    if time <= chain.lastTime, chain.count > 0 {
      if time == chain.lastTime {
        settleLast(bits, chain)
        return .duplicate
      }
      chain.isUnordered = true
      arrival = .outOfOrder
    }
    if chain.used == chain.capacity { addChunk(&chain) }
    let word = Int(chain.tail) + 1 + Int(chain.used) * 2
    let offset = word & (Self.pageWords - 1)
    let page = word >> Self.pageWordsLog2
    pages[page][offset] = UInt64(bitPattern: time)
    pages[page][offset + 1] = bits
    chain.used += 1
    chain.count &+= 1
    chain.lastTime = time
    if time < chain.minTime { chain.minTime = time }
    if time > chain.maxTime { chain.maxTime = time }
    return arrival
  }

  private mutating func settleLast(_ bits: UInt64, _ chain: SampleChain) {
    let word = Int(chain.tail) + Int(chain.used) * 2
    let offset = word & (Self.pageWords - 1)
    let page = word >> Self.pageWordsLog2
    pages[page][offset] = SampleRule.winner(pages[page][offset], bits)
  }

  private mutating func addChunk(_ chain: inout SampleChain) {
    let capacity =
      chain.capacity == 0 ? Self.firstCapacity : min(Int(chain.capacity) * 2, Self.capacityMax)
    let words = 1 + 2 * capacity
    if pageUsed + words > Self.pageWords {
      pages.append([UInt64](repeating: 0, count: Self.pageWords))
      pageUsed = 0
    }
    let start = (pages.count - 1) << Self.pageWordsLog2 | pageUsed
    pages[pages.count - 1][pageUsed] = UInt64(chain.tail) | UInt64(chain.used) << 32
    pageUsed += words
    chain.tail = UInt32(truncatingIfNeeded: start)
    chain.used = 0
    chain.capacity = UInt16(truncatingIfNeeded: capacity)
  }

  /// Appends a chain's samples within `range`, in order of arrival.
  func collect(_ chain: SampleChain, from start: Int64, to end: Int64, into columns: inout SampleColumns) {
    guard chain.count > 0, chain.minTime <= end, chain.maxTime >= start else { return }
    var chunks: [(start: Int, used: Int)] = []
    var (word, used) = (chain.tail, Int(chain.used))
    while word != SampleChain.none {
      chunks.append((Int(word), used))
      let header = pages[Int(word) >> Self.pageWordsLog2][Int(word) & (Self.pageWords - 1)]
      word = UInt32(truncatingIfNeeded: header)
      used = Int(header >> 32)
    }
    for chunk in chunks.reversed() {
      pages[chunk.start >> Self.pageWordsLog2].withUnsafeBufferPointer { page in
        var offset = (chunk.start & (Self.pageWords - 1)) + 1
        for _ in 0..<chunk.used {
          let time = Int64(bitPattern: page[offset])
          if time >= start, time <= end { columns.append(time, page[offset + 1]) }
          offset += 2
        }
      }
    }
  }
}
