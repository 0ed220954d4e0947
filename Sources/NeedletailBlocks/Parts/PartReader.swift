import NeedletailEnvironment

/// An open part.
///
/// May be shared between threads. Its files are opened when they are read, and stay readable after the part was removed,
/// as long as this object or one of its readers lives.
package final class PartReader: Sendable {
  /// The part, as the catalog lists it.
  package let record: PartRecord
  /// What its header says.
  package let header: PartHeader
  private let readers: [String: BlockReader]

  init(record: PartRecord, folder: PartsFolder) throws(BlockError) {
    self.record = record
    let path = folder.path(of: record.id)
    let (headerPath, bytes) = try Self.readHeader(path, on: folder.fileSystem)
    do throws(PartHeaderDamage) {
      header = try PartHeader.decode(bytes)
    } catch {
      throw .damaged(path: headerPath, offset: 0, error.damage)
    }
    // The size too: a part of another folder under this one's number can have the same summary.
    let listed = header.files.reduce(UInt64(bytes.count)) { $0 &+ $1.size }
    guard header.id == record.id, header.summary == record.summary, listed == record.bytes else {
      throw .damaged(path: headerPath, offset: 0, .mismatch)
    }
    var readers: [String: BlockReader] = [:]
    let hold = PartHold(record.id, in: folder)
    for file in header.files {
      let reader = try BlockReader(path + "/" + file.name, through: folder.openFiles, hold: hold)
      guard reader.size == file.size else {
        throw .damaged(path: reader.path, offset: min(reader.size, file.size), .mismatch)
      }
      readers[file.name] = reader
    }
    self.readers = readers
  }

  /// The bytes of a part's header, or of its draft where the part is not committed yet.
  private static func readHeader(
    _ path: String, on fileSystem: any FileSystem
  ) throws(BlockError) -> (path: String, bytes: [UInt8]) {
    let (header, draft) = (path + "/" + PartHeader.fileName, path + "/" + PartHeader.draftName)
    do throws(FileError) {
      do throws(FileError) {
        return (header, try fileSystem.readAll(header, maxBytes: PartHeader.bytesMax))
      } catch {
        guard error.code == .notFound, try fileSystem.status(draft) != nil else { throw error }
        return (draft, try fileSystem.readAll(draft, maxBytes: PartHeader.bytesMax))
      }
    } catch {
      throw .file(error)
    }
  }

  private init(_ reader: PartReader, _ pace: PacedWork) {
    (record, header) = (reader.record, reader.header)
    readers = reader.readers.mapValues { $0.paced(by: pace) }
  }

  /// The same part for a reader that keeps to a pace.
  package func paced(by pace: PacedWork) -> PartReader { PartReader(self, pace) }

  /// The blocks of one of the part's files.
  package func file(_ name: String) throws(BlockError) -> BlockReader {
    guard let reader = readers[name] else {
      throw .file(FileError(.notFound, .open, path: "\(record.id)/\(name)", reason: "the part has no such file"))
    }
    return reader
  }

  /// Reads all of every file and compares it with the header: what a scrub does.
  ///
  /// Throws at the first difference.
  package func verify() throws(BlockError) {
    for file in header.files {
      let reader = try self.file(file.name)
      guard try reader.checksum() == file.checksum else {
        throw .damaged(path: reader.path, offset: 0, .checksum)
      }
    }
  }
}
