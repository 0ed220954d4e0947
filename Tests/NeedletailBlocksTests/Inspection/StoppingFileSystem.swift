import NeedletailEnvironment

/// The real file system of a process that is killed at a certain call: that one and all after it fail, and do nothing.
final class StoppingFileSystem: FileSystem {
  private let inner = PosixFileSystem()
  private let left: Lock<Int>

  /// Lets so many calls pass that change something.
  init(changes: Int) { left = Lock(changes) }

  /// Changes that were made or tried.
  var isStopped: Bool { left.withLock { $0 < 0 } }

  private func change(_ operation: FileError.Operation, _ path: String) throws(FileError) {
    let isStopped = left.withLock { left in
      left -= 1
      return left < 0
    }
    if isStopped { throw FileError(.other, operation, path: path, reason: "killed") }
  }

  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    if mode == .create { try change(.open, path) }
    return try inner.open(path, mode)
  }
  func createDirectory(_ path: String) throws(FileError) {
    try change(.createDirectory, path)
    try inner.createDirectory(path)
  }
  func remove(_ path: String) throws(FileError) {
    try change(.remove, path)
    try inner.remove(path)
  }
  func rename(_ path: String, to newPath: String) throws(FileError) {
    try change(.rename, path)
    try inner.rename(path, to: newPath)
  }
  func link(_ path: String, to newPath: String) throws(FileError) {
    try change(.link, path)
    try inner.link(path, to: newPath)
  }
  func syncDirectory(_ path: String) throws(FileError) {
    try change(.syncDirectory, path)
    try inner.syncDirectory(path)
  }
  func list(_ path: String) throws(FileError) -> [DirectoryEntry] { try inner.list(path) }
  func status(_ path: String) throws(FileError) -> FileStatus? { try inner.status(path) }
  func freeBytes(_ path: String) throws(FileError) -> UInt64 { try inner.freeBytes(path) }
  func lock(_ path: String, holder: String) throws(FileError) -> any FileLock {
    try inner.lock(path, holder: holder)
  }
}
