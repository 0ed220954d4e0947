// The door to the disk. The engines reach files through these two protocols only, so that a test can give them a disk
// that tears, forgets, fills up and fails, and so that what they rely on is written down in one place:
//
// - written bytes survive a power cut only after `File.sync()` returned;
// - a name (created, renamed, linked, removed) survives only after `syncDirectory` of its folder returned;
// - after a failed `sync` nothing is known about what was written since the last good one: a second `sync` that
//   succeeds proves nothing, so the file must be given up.
//
// All calls block. They belong on the engines' own threads, never on an event loop.

/// How a file is opened.
package enum FileMode: Sendable, Equatable {
  /// An existing file, for reading.
  case read
  /// An existing file, for reading and writing.
  case readWrite
  /// A new file, for reading and writing; fails with `.exists` when the name is taken.
  case create
}

/// What kind of thing a name stands for.
package enum FileKind: Sendable, Equatable {
  case file, directory, other
}

/// One name in a folder.
package struct DirectoryEntry: Sendable, Equatable {
  /// The name, without its folder.
  package var name: String
  /// What it stands for.
  package var kind: FileKind

  /// An entry from its parts.
  package init(name: String, kind: FileKind) {
    self.name = name
    self.kind = kind
  }
}

/// Kind and size of a path, and who else may use it.
package struct FileStatus: Sendable, Equatable {
  /// What the path stands for.
  package var kind: FileKind
  /// Size in bytes; for folders without meaning.
  package var size: UInt64
  /// Whether its mode lets anyone but its owner read, write or enter it.
  package var isOpenToOthers: Bool

  /// A status from its parts.
  package init(kind: FileKind, size: UInt64, isOpenToOthers: Bool = false) {
    self.kind = kind
    self.size = size
    self.isOpenToOthers = isOpenToOthers
  }
}

/// An open file.
///
/// Closed when released at the latest.
///
/// Calls may come from several threads; reads and writes of disjoint ranges do not disturb each other.
package protocol File: AnyObject, Sendable {
  /// The path that the file was opened by.
  var path: String { get }
  /// Reads up to `buffer.count` bytes from `offset`; fewer only at the end of the file. Returns the count.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int
  /// Writes all bytes at `offset`, extending the file when needed. After an error any part of them may be written.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError)
  /// Makes everything written so far survive a power cut. After an error the file must be given up.
  func sync() throws(FileError)
  /// The size in bytes.
  func size() throws(FileError) -> UInt64
  /// Cuts or extends (with zeros) the file to `size` bytes.
  func truncate(to size: UInt64) throws(FileError)
  /// Closes the file; later calls fail. Never syncs.
  func close()
}

/// A held advisory lock; given back by `release()` or when the process ends.
package protocol FileLock: AnyObject, Sendable {
  /// Gives the lock back.
  func release()
}

/// A file system.
package protocol FileSystem: Sendable {
  /// Opens or creates a file. Symbolic links are refused with `.symbolicLink`.
  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File
  /// Creates a folder, readable by its owner only; one that exists is fine. The parent must exist.
  func createDirectory(_ path: String) throws(FileError)
  /// The names in a folder, sorted by their bytes.
  func list(_ path: String) throws(FileError) -> [DirectoryEntry]
  /// Kind and size of a path, or nil when there is nothing. Symbolic links are not followed.
  func status(_ path: String) throws(FileError) -> FileStatus?
  /// Removes a file or an empty folder.
  func remove(_ path: String) throws(FileError)
  /// Renames, replacing a file that has the new name.
  func rename(_ path: String, to newPath: String) throws(FileError)
  /// Gives a file a second name (a hard link).
  func link(_ path: String, to newPath: String) throws(FileError)
  /// Makes the names in a folder survive a power cut.
  func syncDirectory(_ path: String) throws(FileError)
  /// Takes an exclusive advisory lock on a file, created when missing, and notes `holder` in it. A lock that is held
  /// by another throws `.locked`, whose reason tells what that holder noted.
  func lock(_ path: String, holder: String) throws(FileError) -> any FileLock
  /// Bytes that may still be written on the device that holds `path`.
  func freeBytes(_ path: String) throws(FileError) -> UInt64
}

extension FileSystem {
  /// Removes a file, or a folder with all that is in it; nothing there is fine.
  ///
  /// Folders deeper than 32 are refused.
  package func removeTree(_ path: String) throws(FileError) {
    try removeTree(path, depth: 0)
  }

  private func removeTree(_ path: String, depth: Int) throws(FileError) {
    guard let status = try status(path) else { return }
    if status.kind == .directory {
      guard depth < 32 else { throw FileError(.other, .remove, path: path, reason: "folders nest deeper than 32") }
      for entry in try list(path) { try removeTree(path + "/" + entry.name, depth: depth + 1) }
    }
    try remove(path)
  }

  /// The whole content of a file of at most `maxBytes`.
  package func readAll(_ path: String, maxBytes: Int) throws(FileError) -> [UInt8] {
    let file = try open(path, .read)
    defer { file.close() }
    let size = try file.size()
    guard size <= UInt64(maxBytes) else {
      throw FileError(.other, .read, path: path, reason: "the file has \(size) bytes, at most \(maxBytes) are allowed")
    }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    var failure: FileError?
    var count = 0
    bytes.withUnsafeMutableBytes { buffer in
      do throws(FileError) { count = try file.read(into: buffer, at: 0) } catch { failure = error }
    }
    if let failure { throw failure }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}

extension File {
  /// Writes an array's bytes at `offset`.
  package func write(_ bytes: [UInt8], at offset: UInt64) throws(FileError) {
    var failure: FileError?
    bytes.withUnsafeBytes { buffer in
      do throws(FileError) { try write(buffer, at: offset) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
