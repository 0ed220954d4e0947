import NeedletailEnvironment

/// A block as it was given to the writer.
package struct Block: Sendable, Equatable {
  /// What the payload holds, in the owner's numbering.
  package var kind: UInt8
  /// The payload, decompressed.
  package var bytes: [UInt8]
}

/// Reads blocks of a file, each verified before a byte of it is believed.
///
/// May be shared between threads.
package final class BlockReader: Sendable {
  /// The file's path.
  package let path: String
  /// The file's size in bytes.
  package let size: UInt64
  private let files: OpenFiles
  /// Keeps the file from being removed.
  private let hold: PartHold
  /// Told of what is read; nil where nobody asks.
  private let pace: PacedWork?

  /// A file of a part; it is open only while it is used often enough.
  init(_ path: String, through files: OpenFiles, hold: PartHold) throws(BlockError) {
    self.path = path
    self.files = files
    self.hold = hold
    pace = nil
    do throws(FileError) { size = try files.file(path).size() } catch { throw .file(error) }
  }

  private init(_ reader: BlockReader, _ pace: PacedWork) {
    (path, size, files, hold) = (reader.path, reader.size, reader.files, reader.hold)
    self.pace = pace
  }

  /// The same file for a reader that keeps to a pace.
  package func paced(by pace: PacedWork) -> BlockReader { BlockReader(self, pace) }

  /// The block at `location`.
  ///
  /// `kind`, when given, must be what the block says. At most `rawBytesMax` are allocated. Refused in an `InMemoryRun`.
  package func read(
    _ location: BlockLocation, kind: UInt8? = nil, rawBytesMax: Int = BlockFormat.rawBytesMax
  ) throws(BlockError) -> Block {
    let (end, overflow) = location.offset.addingReportingOverflow(UInt64(location.length))
    guard !overflow, end <= size else { throw damage(.truncated, location.offset) }
    guard location.length >= UInt32(BlockFormat.headerBytes) else { throw damage(.length, location.offset) }
    let bytes = try readBytes(count: Int(location.length), at: location.offset)
    var result: Result<Block, BlockError> = .failure(damage(.content, location.offset))
    bytes.withUnsafeBytes { buffer in
      result = Result { () throws(BlockError) in
        try decode(buffer, at: location.offset, kind: kind, rawBytesMax: rawBytesMax)
      }
    }
    return try result.get()
  }

  private func readBytes(count: Int, at offset: UInt64) throws(BlockError) -> [UInt8] {
    if let run = InMemoryRun.current {
      run.refuse()
      throw .file(FileError(.other, .read, path: path, reason: "it would have to be waited for"))
    }
    var failure: FileError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, read in
      do throws(FileError) {
        read = try files.file(path).read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      } catch {
        failure = error
        read = 0
      }
    }
    if let failure { throw .file(failure) }
    guard bytes.count == count else { throw damage(.truncated, offset) }
    pace?.did(bytes: count)
    return bytes
  }

  private func decode(
    _ block: UnsafeRawBufferPointer, at offset: UInt64, kind: UInt8?, rawBytesMax: Int
  ) throws(BlockError) -> Block {
    func field<Integer: FixedWidthInteger>(_ position: Int, _ type: Integer.Type) -> Integer {
      Integer(littleEndian: block.loadUnaligned(fromByteOffset: position, as: Integer.self))
    }
    guard field(0, UInt32.self) == BlockFormat.magic else { throw damage(.magic, offset) }
    guard field(16, UInt64.self) == BlockFormat.checksum(block, offset: offset) else {
      throw damage(.checksum, offset)
    }
    guard field(6, UInt16.self) == BlockFormat.version else { throw damage(.version, offset) }
    let raw = Int(field(8, UInt32.self))
    guard Int(field(12, UInt32.self)) == block.count - BlockFormat.headerBytes, raw <= rawBytesMax else {
      throw damage(.length, offset)
    }
    let found = field(4, UInt8.self)
    if let kind, kind != found { throw damage(.mismatch, offset) }
    let payload = UnsafeRawBufferPointer(rebasing: block[BlockFormat.headerBytes...])
    switch BlockCodec(rawValue: field(5, UInt8.self)) {
    case .raw:
      guard payload.count == raw else { throw damage(.length, offset) }
      return Block(kind: found, bytes: Array(payload))
    case .zstd:
      do throws(ZstdError) {
        let bytes = try Zstd.decompress(payload, maxBytes: raw)
        guard bytes.count == raw else { throw ZstdError.damaged }
        return Block(kind: found, bytes: bytes)
      } catch {
        throw damage(.compression, offset)
      }
    case nil:
      throw damage(.version, offset)
    }
  }

  /// The checksum of the whole file, read in pieces of 1 MiB; what `BlockWriter.finish` returned.
  package func checksum() throws(BlockError) -> UInt64 {
    var running = RunningChecksum()
    var offset: UInt64 = 0
    while offset < size {
      let piece = try readBytes(count: Int(min(1 << 20, size - offset)), at: offset)
      piece.withUnsafeBytes { running.add($0) }
      offset += UInt64(piece.count)
    }
    return running.value
  }

  private func damage(_ damage: BlockError.Damage, _ offset: UInt64) -> BlockError {
    .damaged(path: path, offset: offset, damage)
  }
}
