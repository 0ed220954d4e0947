import NeedletailBlocks
import NeedletailEnvironment

/// A block of a part: of its index or of summaries, decoded, or any other's bytes, decompressed and verified.
enum PartBlock: Sendable {
  case bytes([UInt8])
  case names(NamesBlock)
  case dictionary(DictionaryBlock)
  case postings(PostingsBlock)
  case series(SeriesBlock)
  case labels(LabelBlock)
  case summaries([SummaryRow])

  var byteCount: Int {
    switch self {
    case .bytes(let bytes): bytes.count
    case .names(let block): block.byteCount
    case .dictionary(let block): block.byteCount
    case .postings(let block): block.byteCount
    case .series(let block): block.byteCount
    case .labels(let block): block.byteCount
    case .summaries(let rows): rows.count * MemoryLayout<SummaryRow>.stride
    }
  }
}

/// Keeps the blocks of parts that were used last, up to a number of bytes for those of indexes and another for those of
/// samples, so that a scan of everything does not push the indexes out.
final class PartBlockCache: Sendable {
  struct Key: Hashable, Sendable {
    var part: PartID
    var kind: UInt8
    var number: Int

    /// All in one word: a query looks up a dozen blocks.
    func hash(into hasher: inout Hasher) {
      hasher.combine(part.rawValue &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(kind) << 56 ^ UInt64(bitPattern: Int64(number)))
    }

    /// Whether it is a block of the index.
    fileprivate var isOfIndex: Bool { PartBlockKind.fileName(kind) == PartFileName.index }
  }

  /// What is kept, and how often a block was there or had to be read.
  struct Statistics: Equatable {
    var bytes = 0
    var hits: UInt64 = 0
    var misses: UInt64 = 0
  }

  private let indexes: Lock<BlockShelf>
  private let samples: Lock<BlockShelf>

  /// A cache that keeps so many bytes of indexes and of samples.
  init(indexBytesMax: Int, sampleBytesMax: Int) {
    indexes = Lock(BlockShelf(bytesMax: indexBytesMax))
    samples = Lock(BlockShelf(bytesMax: sampleBytesMax))
  }

  /// The block under a key, made by `read` where it is not kept; reading happens outside of the lock.
  func block(
    _ key: Key, _ read: () throws(SeriesDamage) -> PartBlock
  ) throws(SeriesDamage) -> PartBlock {
    let isOfIndex = key.isOfIndex
    if let kept = withShelf(isOfIndex, { $0.find(key) }) { return kept }
    let block = try read()
    withShelf(isOfIndex) { $0.keep(block, key) }
    return block
  }

  private func withShelf<Result>(_ isOfIndex: Bool, _ body: (inout BlockShelf) -> sending Result) -> sending Result {
    isOfIndex ? indexes.withLock(body) : samples.withLock(body)
  }

  /// Drops a part's blocks.
  func remove(_ part: PartID) {
    indexes.withLock { $0.remove(part) }
    samples.withLock { $0.remove(part) }
  }

  /// Of indexes.
  var indexStatistics: Statistics { indexes.withLock { $0.statistics } }
  /// Of samples.
  var sampleStatistics: Statistics { samples.withLock { $0.statistics } }
}

/// Blocks up to a number of bytes, with when each was used last.
private struct BlockShelf: Sendable {
  private struct Entry {
    var block: PartBlock
    var bytes: Int
    /// When it was asked for last, as a number that counts the questions.
    var used: UInt64
  }

  /// What an entry takes beside its block, about.
  private static let entryBytes = 128

  private(set) var statistics = PartBlockCache.Statistics()
  private let bytesMax: Int
  private var entries: [PartBlockCache.Key: Entry] = [:]
  private var clock: UInt64 = 0

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  mutating func find(_ key: PartBlockCache.Key) -> PartBlock? {
    clock &+= 1
    guard let index = entries.index(forKey: key) else {
      statistics.misses += 1
      return nil
    }
    statistics.hits += 1
    entries.values[index].used = clock
    return entries.values[index].block
  }

  mutating func keep(_ block: PartBlock, _ key: PartBlockCache.Key) {
    guard entries[key] == nil else { return }
    let entry = Entry(block: block, bytes: block.byteCount + Self.entryBytes, used: clock)
    guard entry.bytes <= bytesMax else { return }
    entries[key] = entry
    statistics.bytes += entry.bytes
    if statistics.bytes > bytesMax { evict(to: bytesMax - bytesMax / 8) }
  }

  /// Drops what was used longest ago; more of it than need be, so that sorting pays.
  private mutating func evict(to bytes: Int) {
    let sorted = entries.map { (key: $0.key, used: $0.value.used) }.sorted { $0.used < $1.used }
    for entry in sorted where statistics.bytes > bytes { drop(entry.key) }
  }

  private mutating func drop(_ key: PartBlockCache.Key) {
    if let entry = entries.removeValue(forKey: key) { statistics.bytes -= entry.bytes }
  }

  mutating func remove(_ part: PartID) {
    for key in entries.keys where key.part == part { drop(key) }
  }
}
