import NeedletailBlocks
import NeedletailEnvironment

/// A block of a part's index, decoded.
enum PartBlock: Sendable {
  case names(NamesBlock)
  case dictionary(DictionaryBlock)
  case postings(PostingsBlock)
  case series(SeriesBlock)
  case labels(LabelBlock)

  var byteCount: Int {
    switch self {
    case .names(let block): block.byteCount
    case .dictionary(let block): block.byteCount
    case .postings(let block): block.byteCount
    case .series(let block): block.byteCount
    case .labels(let block): block.byteCount
    }
  }
}

/// Keeps the blocks of parts' indexes that were used last, up to a number of bytes.
final class PartBlockCache: Sendable {
  struct Key: Hashable, Sendable {
    var part: PartID
    var kind: UInt8
    var number: Int
  }

  private struct Entry {
    var block: PartBlock
    var bytes: Int
    /// When it was asked for last, as a number that counts the questions.
    var used: UInt64
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    var bytes = 0
    var clock: UInt64 = 0
    var hits: UInt64 = 0
    var misses: UInt64 = 0
  }

  /// What an entry takes beside its block, about.
  private static let entryBytes = 128

  private let bytesMax: Int
  private let state = Lock(State())

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// The block under a key, made by `read` where it is not kept; reading happens outside of the lock.
  func block(
    _ key: Key, _ read: () throws(SeriesDamage) -> PartBlock
  ) throws(SeriesDamage) -> PartBlock {
    let kept = state.withLock { state -> PartBlock? in
      state.clock &+= 1
      guard let block = state.entries[key]?.block else {
        state.misses += 1
        return nil
      }
      state.hits += 1
      state.entries[key]?.used = state.clock
      return block
    }
    if let kept { return kept }
    let block = try read()
    state.withLock { state in
      guard state.entries[key] == nil else { return }
      let entry = Entry(block: block, bytes: block.byteCount + Self.entryBytes, used: state.clock)
      state.entries[key] = entry
      state.bytes += entry.bytes
      if state.bytes > bytesMax { Self.evict(&state, to: bytesMax - bytesMax / 8) }
    }
    return block
  }

  /// Drops what was used longest ago; more of it than need be, so that sorting pays.
  private static func evict(_ state: inout State, to bytes: Int) {
    let sorted = state.entries.map { (key: $0.key, used: $0.value.used) }.sorted { $0.used < $1.used }
    for entry in sorted where state.bytes > bytes { drop(entry.key, &state) }
  }

  private static func drop(_ key: Key, _ state: inout State) {
    if let entry = state.entries.removeValue(forKey: key) { state.bytes -= entry.bytes }
  }

  /// Drops a part's blocks.
  func remove(_ part: PartID) {
    state.withLock { state in
      for key in state.entries.keys where key.part == part { Self.drop(key, &state) }
    }
  }

  /// Bytes that are kept, and how often a block was there or had to be read.
  var statistics: (bytes: Int, hits: UInt64, misses: UInt64) {
    state.withLock { ($0.bytes, $0.hits, $0.misses) }
  }
}
