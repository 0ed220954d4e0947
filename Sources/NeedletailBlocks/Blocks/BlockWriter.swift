// A file of blocks: each says itself what it is, how long it is and what its checksum is (docs/formats/block.md). The
// checksum is seeded with the block's offset, so a block that a disk put in another place does not pass.

import NeedletailEnvironment

/// Where a block lies in its file; what indexes keep.
package struct BlockLocation: Hashable, Sendable {
  /// First byte of the block's header.
  package var offset: UInt64
  /// Bytes of header and stored payload together.
  package var length: UInt32

  /// A location from its parts.
  package init(offset: UInt64, length: UInt32) {
    self.offset = offset
    self.length = length
  }
}

/// How a block's payload is stored.
package enum BlockCodec: UInt8, Sendable, CaseIterable {
  case raw = 0
  case zstd = 1
}

/// The fixed numbers of the block format.
package enum BlockFormat {
  /// Bytes of a block's header.
  package static let headerBytes = 24
  /// The most that one block holds before compression.
  package static let rawBytesMax = 64 << 20
  static let magic: UInt32 = 0x314B_424E  // "NBK1"
  static let version: UInt16 = 1
}

/// Appends blocks to a new file and keeps its size and checksum.
///
/// Not shared between threads. Nothing is durable before `finish()` returned and the folder was synced.
package final class BlockWriter {
  /// The file's path.
  package let path: String
  /// Bytes written or waiting in the buffer; the offset of the next block.
  package private(set) var size: UInt64 = 0

  private let file: any File
  private var buffer: [UInt8] = []
  private var written: UInt64 = 0
  private var checksum = RunningChecksum()
  private let bufferBytes = 1 << 20
  private let pace: PacedWork?
  private var unsyncedBytes = 0
  /// How much a paced writer leaves to the system before it has it brought to disk: what the system gathers for half a
  /// minute would otherwise go out at once, at the sync in the end, and the log's syncs would wait for it.
  private static let unsyncedBytesMax = 8 << 20

  /// Creates the file, which must not exist; writes to it at a pace where one is given.
  package init(
    creating path: String, on fileSystem: any FileSystem, pace: PacedWork? = nil
  ) throws(BlockError) {
    self.path = path
    self.pace = pace
    do throws(FileError) { file = try fileSystem.open(path, .create) } catch { throw .file(error) }
  }

  /// Appends a block and tells where it lies.
  ///
  /// With `.zstd`, a payload that does not shrink is stored as it is, and so is one that shrinks by less than
  /// `savingPercentMin` per cent: reading it then costs no more than its checksum. `kind` is the owner's: what the
  /// payload holds.
  package func append(
    _ bytes: UnsafeRawBufferPointer, kind: UInt8, codec: BlockCodec = .zstd, level: Int32 = 1,
    savingPercentMin: Int = 0
  ) throws(BlockError) -> BlockLocation {
    guard bytes.count <= BlockFormat.rawBytesMax else {
      throw .tooLarge(path: path, bytes: bytes.count, max: BlockFormat.rawBytesMax)
    }
    let start = buffer.count
    buffer.append(contentsOf: repeatElement(0, count: BlockFormat.headerBytes))
    let payload = buffer.count
    var used = codec
    if codec == .zstd {
      do throws(ZstdError) { try Zstd.compress(bytes, level: level, appendingTo: &buffer) } catch { used = .raw }
      let size = buffer.count - payload
      if size >= bytes.count || size * 100 > bytes.count * (100 - savingPercentMin) { used = .raw }
    }
    if used == .raw {
      buffer.removeLast(buffer.count - payload)
      buffer.append(contentsOf: bytes)
    }
    let stored = buffer.count - payload
    let offset = size
    buffer.withUnsafeMutableBytes { all in
      let block = UnsafeMutableRawBufferPointer(rebasing: all[start...])
      block.storeBytes(of: BlockFormat.magic.littleEndian, toByteOffset: 0, as: UInt32.self)
      block.storeBytes(of: kind, toByteOffset: 4, as: UInt8.self)
      block.storeBytes(of: used.rawValue, toByteOffset: 5, as: UInt8.self)
      block.storeBytes(of: BlockFormat.version.littleEndian, toByteOffset: 6, as: UInt16.self)
      block.storeBytes(of: UInt32(bytes.count).littleEndian, toByteOffset: 8, as: UInt32.self)
      block.storeBytes(of: UInt32(stored).littleEndian, toByteOffset: 12, as: UInt32.self)
      let sum = BlockFormat.checksum(UnsafeRawBufferPointer(block), offset: offset)
      block.storeBytes(of: sum.littleEndian, toByteOffset: 16, as: UInt64.self)
    }
    let length = BlockFormat.headerBytes + stored
    size += UInt64(length)
    if buffer.count >= bufferBytes { try writeOut() }
    return BlockLocation(offset: offset, length: UInt32(length))
  }

  /// Appends an array as a block.
  package func append(
    _ bytes: [UInt8], kind: UInt8, codec: BlockCodec = .zstd, level: Int32 = 1, savingPercentMin: Int = 0
  ) throws(BlockError) -> BlockLocation {
    var result: Result<BlockLocation, BlockError> = .failure(.tooLarge(path: path, bytes: 0, max: 0))
    bytes.withUnsafeBytes { buffer in
      result = Result { () throws(BlockError) in
        try append(buffer, kind: kind, codec: codec, level: level, savingPercentMin: savingPercentMin)
      }
    }
    return try result.get()
  }

  /// Writes what waits, syncs and closes the file.
  ///
  /// Returns its size in bytes and its checksum.
  ///
  /// **Durability**: the content survives a power cut; the name does once the folder is synced.
  package func finish() throws(BlockError) -> (size: UInt64, checksum: UInt64) {
    try writeOut()
    do throws(FileError) { try file.sync() } catch { throw .file(error) }
    file.close()
    return (size, checksum.value)
  }

  /// Closes the file without finishing it; the owner removes it.
  package func abandon() { file.close() }

  private func writeOut() throws(BlockError) {
    guard !buffer.isEmpty else { return }
    do throws(FileError) { try file.write(buffer, at: written) } catch { throw .file(error) }
    buffer.withUnsafeBytes { checksum.add($0) }
    written += UInt64(buffer.count)
    try keepPace(buffer.count)
    buffer.removeAll(keepingCapacity: true)
  }

  private func keepPace(_ bytes: Int) throws(BlockError) {
    guard let pace else { return }
    unsyncedBytes += bytes
    if unsyncedBytes >= Self.unsyncedBytesMax {
      unsyncedBytes = 0
      do throws(FileError) { try file.sync() } catch { throw .file(error) }
    }
    pace.did(bytes: bytes)
  }
}

extension BlockFormat {
  /// The checksum of a whole block, header fields before the checksum and payload after it.
  static func checksum(_ block: UnsafeRawBufferPointer, offset: UInt64) -> UInt64 {
    let header = Checksum.of(UnsafeRawBufferPointer(rebasing: block[..<16]), seed: offset)
    return Checksum.of(UnsafeRawBufferPointer(rebasing: block[headerBytes...]), seed: header)
  }
}
