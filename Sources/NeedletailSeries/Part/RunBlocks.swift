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
  private var bytes: [UInt8] = []

  init(kind: UInt8, blockBytes: Int, file: BlockWriter) {
    self.kind = kind
    self.blockBytes = blockBytes
    self.file = file
    bytes.reserveCapacity(blockBytes * 5 / 4)
  }

  /// Writes a run; tells the number of its block and its offset in it.
  mutating func append(_ encode: (inout [UInt8]) -> Void) throws(BlockError) -> RunPosition {
    let position = RunPosition(
      block: UInt32(truncatingIfNeeded: locations.count), offset: UInt32(truncatingIfNeeded: bytes.count))
    encode(&bytes)
    if bytes.count >= blockBytes { try close() }
    return position
  }

  mutating func close() throws(BlockError) {
    guard !bytes.isEmpty else { return }
    locations.append(try file.append(bytes, kind: kind, savingPercentMin: Self.savingPercentMin))
    bytes.removeAll(keepingCapacity: true)
  }
}

/// Where a run lies: the number of its block, and the offset in the block's bytes.
struct RunPosition: Equatable, Sendable {
  static let none = RunPosition(block: .max, offset: 0)

  var block: UInt32
  var offset: UInt32
}
