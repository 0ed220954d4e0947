// The real disk, through plain POSIX calls: no Foundation, every error number kept, interrupted and short calls
// continued, symbolic links refused, nothing readable by other users.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The machine's own file system.
package struct PosixFileSystem: FileSystem {
  /// The one there is.
  package init() {}

  package func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    let flags: Int32
    switch mode {
    case .read: flags = O_RDONLY
    case .readWrite: flags = O_RDWR
    case .create: flags = O_RDWR | O_CREAT | O_EXCL
    }
    return PosixFile(descriptor: try descriptor(path, flags), path: path)
  }

  private func descriptor(_ path: String, _ flags: Int32) throws(FileError) -> Int32 {
    try checkPath(path, .open)
    return try retrying(.open, path) { posixOpen(path, flags | O_NOFOLLOW | O_CLOEXEC) }
  }

  package func createDirectory(_ path: String) throws(FileError) {
    try checkPath(path, .createDirectory)
    if mkdir(path, 0o700) == 0 { return }
    let number = errno
    if number == EEXIST, try status(path)?.kind == .directory { return }
    throw FileError(number: number, .createDirectory, path: path)
  }

  package func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
    try checkPath(path, .list)
    guard let stream = opendir(path) else { throw FileError(number: errno, .list, path: path) }
    defer { closedir(stream) }
    var entries: [DirectoryEntry] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw FileError(number: errno, .list, path: path) }
        break
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name == "." || name == ".." { continue }
      guard let status = try status(path + "/" + name) else { continue }
      entries.append(DirectoryEntry(name: name, kind: status.kind))
    }
    return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  package func status(_ path: String) throws(FileError) -> FileStatus? {
    try checkPath(path, .status)
    var result = stat()
    if lstat(path, &result) != 0 {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw FileError(number: errno, .status, path: path)
    }
    let kind: FileKind
    switch result.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .directory
    default: kind = .other
    }
    return FileStatus(
      kind: kind, size: UInt64(max(0, result.st_size)), isOpenToOthers: result.st_mode & 0o077 != 0)
  }

  package func remove(_ path: String) throws(FileError) {
    try checkPath(path, .remove)
    let isDirectory = try status(path)?.kind == .directory
    _ = try retrying(.remove, path) { isDirectory ? rmdir(path) : unlink(path) }
  }

  package func rename(_ path: String, to newPath: String) throws(FileError) {
    try checkPath(path, .rename)
    try checkPath(newPath, .rename)
    _ = try retrying(.rename, path) { posixRename(path, newPath) }
  }

  package func link(_ path: String, to newPath: String) throws(FileError) {
    try checkPath(path, .link)
    try checkPath(newPath, .link)
    _ = try retrying(.link, path) { posixLink(path, newPath) }
  }

  package func syncDirectory(_ path: String) throws(FileError) {
    try checkPath(path, .syncDirectory)
    let descriptor = try retrying(.syncDirectory, path) {
      posixOpen(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    }
    defer { posixClose(descriptor) }
    // Not repeated when it fails: the kernel may have dropped the dirty pages with the error.
    if fsync(descriptor) != 0 { throw FileError(number: errno, .syncDirectory, path: path) }
  }

  package func lock(_ path: String, holder: String) throws(FileError) -> any FileLock {
    let descriptor = try descriptor(path, O_RDWR | O_CREAT)
    let file = PosixFile(descriptor: descriptor, path: path)
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let number = errno
      guard number == EWOULDBLOCK else { throw FileError(number: number, .lock, path: path) }
      let noted = (try? readAll(path, maxBytes: 4096)).map { String(decoding: $0, as: UTF8.self) } ?? ""
      let reason = noted.isEmpty ? "another process holds the lock" : "it is held by \(noted)"
      throw FileError(.locked, .lock, path: path, number: number, reason: reason)
    }
    try file.truncate(to: 0)
    try file.write(Array(holder.utf8), at: 0)
    return PosixLock(file: file, descriptor: descriptor)
  }

  package func freeBytes(_ path: String) throws(FileError) -> UInt64 {
    try checkPath(path, .freeBytes)
    var result = statvfs()
    _ = try retrying(.freeBytes, path) { statvfs(path, &result) }
    let (bytes, overflow) = UInt64(result.f_bavail).multipliedReportingOverflow(by: UInt64(result.f_frsize))
    return overflow ? .max : bytes
  }

  /// A path with a NUL inside would be cut there by the C library, and name another file.
  private func checkPath(_ path: String, _ operation: FileError.Operation) throws(FileError) {
    if path.isEmpty || path.utf8.contains(0) {
      throw FileError(.notFound, operation, path: path, number: EINVAL, reason: "the path is empty or holds a NUL")
    }
  }
}

/// A lock that lives as long as its open file, or until it is given back.
private final class PosixLock: FileLock {
  private let file: PosixFile
  private let descriptor: Lock<Int32?>

  init(file: PosixFile, descriptor: Int32) {
    self.file = file
    self.descriptor = Lock(descriptor)
  }

  func release() {
    descriptor.withLock { descriptor in
      // Closing alone does not give it back while a child that was just forked still has a copy of the descriptor.
      if let descriptor { _ = flock(descriptor, LOCK_UN) }
      descriptor = nil
    }
    file.close()
  }
}
