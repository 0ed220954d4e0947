import NeedletailEnvironment

/// A disk that tells a test before each of its calls, on the thread that makes it: what the test does then happens in
/// the middle of what is being tested.
package final class WatchedFileSystem: FileSystem {
  /// A call that the disk is asked for.
  package struct Call: Sendable {
    /// What is asked.
    package var operation: FileError.Operation
    /// Of which path.
    package var path: String
  }

  /// What is told of a call before it is made.
  package typealias Watcher = @Sendable (Call) -> Void

  private let disk: FaultyFileSystem
  private let watcher = Lock<Watcher?>(nil)

  /// Watches a disk; nobody is told yet.
  package init(_ disk: FaultyFileSystem) { self.disk = disk }

  /// Tells `watcher` of all calls from now on; nil tells nobody.
  package func watch(_ watcher: Watcher?) { self.watcher.withLock { $0 = watcher } }

  /// Calls `body` before the first call that `isMeant`, and tells nobody from then on.
  package func once(before isMeant: @escaping @Sendable (Call) -> Bool, _ body: @escaping @Sendable () -> Void) {
    watch { [unowned self] call in
      guard isMeant(call) else { return }
      watch(nil)
      body()
    }
  }

  fileprivate func tell(_ operation: FileError.Operation, _ path: String) {
    watcher.withLock { $0 }?(Call(operation: operation, path: path))
  }

  package func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    tell(.open, path)
    return WatchedFile(try disk.open(path, mode), of: self)
  }

  package func createDirectory(_ path: String) throws(FileError) {
    tell(.createDirectory, path)
    try disk.createDirectory(path)
  }

  package func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
    tell(.list, path)
    return try disk.list(path)
  }

  package func status(_ path: String) throws(FileError) -> FileStatus? {
    tell(.status, path)
    return try disk.status(path)
  }

  package func remove(_ path: String) throws(FileError) {
    tell(.remove, path)
    try disk.remove(path)
  }

  package func rename(_ path: String, to newPath: String) throws(FileError) {
    tell(.rename, path)
    try disk.rename(path, to: newPath)
  }

  package func link(_ path: String, to newPath: String) throws(FileError) {
    tell(.link, path)
    try disk.link(path, to: newPath)
  }

  package func syncDirectory(_ path: String) throws(FileError) {
    tell(.syncDirectory, path)
    try disk.syncDirectory(path)
  }

  package func lock(_ path: String, holder: String) throws(FileError) -> any FileLock {
    tell(.lock, path)
    return try disk.lock(path, holder: holder)
  }

  package func freeBytes(_ path: String) throws(FileError) -> UInt64 {
    tell(.freeBytes, path)
    return try disk.freeBytes(path)
  }
}

/// A file of a watched disk.
private final class WatchedFile: File {
  private let file: any File
  private let fileSystem: WatchedFileSystem

  init(_ file: any File, of fileSystem: WatchedFileSystem) {
    self.file = file
    self.fileSystem = fileSystem
  }

  var path: String { file.path }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
    fileSystem.tell(.read, path)
    return try file.read(into: buffer, at: offset)
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
    fileSystem.tell(.write, path)
    try file.write(bytes, at: offset)
  }

  func sync() throws(FileError) {
    fileSystem.tell(.sync, path)
    try file.sync()
  }

  func size() throws(FileError) -> UInt64 {
    fileSystem.tell(.size, path)
    return try file.size()
  }

  func truncate(to size: UInt64) throws(FileError) {
    fileSystem.tell(.truncate, path)
    try file.truncate(to: size)
  }

  func close() {
    fileSystem.tell(.close, path)
    file.close()
  }
}
