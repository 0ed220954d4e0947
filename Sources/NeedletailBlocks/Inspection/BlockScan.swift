// Walks through a file of blocks without an index: each block says itself how long it is. Where one is damaged, the next
// is looked for by its mark and believed only when its checksum holds, which is seeded with its place.

import NeedletailEnvironment

/// What a walk through all blocks of a file found.
struct BlockScan {
  /// Blocks that are as they were written.
  private(set) var blocks = 0
  /// Where what was written cannot be read, and why.
  private(set) var damages: [(offset: UInt64, damage: BlockError.Damage)] = []
  /// The checksum of the whole file.
  private(set) var checksum: UInt64 = 0
  /// Its size in bytes.
  let size: UInt64

  private let file: any File
  private static let pieceBytes = 1 << 20

  /// Reads all of the file, twice: for its own checksum, and block by block.
  init(_ path: String, on fileSystem: any FileSystem) throws(FileError) {
    let opened = try fileSystem.open(path, .read)
    defer { opened.close() }
    file = opened
    size = try opened.size()
    try sum()
    try walk()
  }

  private mutating func sum() throws(FileError) {
    var running = RunningChecksum()
    var offset: UInt64 = 0
    while offset < size {
      let piece = try read(Self.pieceBytes, at: offset)
      if piece.isEmpty { break }
      piece.withUnsafeBytes { running.add($0) }
      offset += UInt64(piece.count)
    }
    checksum = running.value
  }

  private mutating func walk() throws(FileError) {
    var offset: UInt64 = 0
    while offset < size {
      let (length, damage) = try block(at: offset)
      guard let damage else {
        blocks += 1
        offset += length
        continue
      }
      damages.append((offset, damage))
      offset = try nextBlock(after: offset)
    }
  }

  /// The length of the block at `offset`, or what is wrong with it.
  private func block(at offset: UInt64) throws(FileError) -> (length: UInt64, damage: BlockError.Damage?) {
    let header = try read(BlockFormat.headerBytes, at: offset)
    guard header.count == BlockFormat.headerBytes else { return (0, .truncated) }
    let (magic, stored) = header.withUnsafeBytes { bytes in
      (
        UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)),
        UInt64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self)))
      )
    }
    guard magic == BlockFormat.magic else { return (0, .magic) }
    let length = UInt64(BlockFormat.headerBytes) + stored
    guard length <= size - offset else { return (0, .truncated) }
    // A payload that does not shrink is stored raw: none is longer than this.
    guard stored <= UInt64(BlockFormat.rawBytesMax) else { return (0, .length) }
    let bytes = try read(Int(length), at: offset)
    guard bytes.count == Int(length) else { return (0, .truncated) }
    let isWhole = bytes.withUnsafeBytes { block in
      let noted = UInt64(littleEndian: block.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
      return BlockFormat.checksum(block, offset: offset) == noted
    }
    return isWhole ? (length, nil) : (0, .checksum)
  }

  /// Where the next whole block begins, or the end.
  private func nextBlock(after start: UInt64) throws(FileError) -> UInt64 {
    let mark = withUnsafeBytes(of: BlockFormat.magic.littleEndian) { Array($0) }
    var position = start + 1
    while position < size {
      let piece = try read(Self.pieceBytes, at: position)
      guard piece.count >= mark.count else { return size }
      var index = 0
      while index + mark.count <= piece.count {
        guard let found = piece[index...].firstIndex(of: mark[0]), found + mark.count <= piece.count else { break }
        if piece[found..<found + mark.count].elementsEqual(mark),
          try block(at: position + UInt64(found)).damage == nil
        {
          return position + UInt64(found)
        }
        index = found + 1
      }
      // A mark may begin in this piece and end in the next.
      position += UInt64(piece.count - (mark.count - 1))
    }
    return size
  }

  private func read(_ count: Int, at offset: UInt64) throws(FileError) -> [UInt8] {
    let wanted = Int(min(UInt64(count), size - min(size, offset)))
    var failure: FileError?
    let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, read in
      do throws(FileError) {
        read = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      } catch {
        failure = error
        read = 0
      }
    }
    if let failure { throw failure }
    return bytes
  }
}
