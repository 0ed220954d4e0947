import NeedletailBlocks

/// Blocks of one kind in the making: runs are put one behind the other and the block is closed when it is large
/// enough.
///
/// A run never lies in two blocks.
struct RunBlocks {
  /// What zstd must save at least for a block to be kept compressed, in per cent.
  ///
  /// Columns are packed to the bit, so zstd mostly finds little in them, and reading what it made costs more than the
  /// disk would.
  private static let savingPercentMin = 6

  private let kind: UInt8
  private let blockBytes: Int
  private let file: BlockWriter
  private(set) var locations: [BlockLocation] = []
  /// Of each block, how many bytes lie in the blocks before it, before compression.
  private(set) var firsts: [UInt64] = []
  private var start: UInt64 = 0
  private var bytes: [UInt8] = []

  init(kind: UInt8, blockBytes: Int, file: BlockWriter) {
    self.kind = kind
    self.blockBytes = blockBytes
    self.file = file
    bytes.reserveCapacity(blockBytes * 5 / 4)
  }

  /// Where the next run will lie: how many bytes, before compression, come before it.
  var position: UInt64 { start + UInt64(bytes.count) }

  /// Writes a run; tells its position, and whether it is the first of its block.
  @discardableResult
  mutating func append(
    _ encode: (inout [UInt8]) -> Void
  ) throws(BlockError) -> (position: UInt64, isFirst: Bool) {
    let result = (position, bytes.isEmpty)
    encode(&bytes)
    if bytes.count >= blockBytes { try close() }
    return result
  }

  mutating func close() throws(BlockError) {
    guard !bytes.isEmpty else { return }
    firsts.append(start)
    start += UInt64(bytes.count)
    locations.append(try file.append(bytes, kind: kind, savingPercentMin: Self.savingPercentMin))
    bytes.removeAll(keepingCapacity: true)
  }
}
