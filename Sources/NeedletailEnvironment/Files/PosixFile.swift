#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

import Synchronization

/// An open POSIX file descriptor.
///
/// `pread` and `pwrite` carry their own offset, so threads do not share a position. The descriptor is held in an
/// atomic: calls that begin after `close` fail with `EBADF`. A call that is under way while another thread closes may
/// still reach a descriptor that was given out again: close only when no call is under way, or let `deinit` do it.
final class PosixFile: File {
  let path: String
  private let descriptor: Atomic<Int32>

  init(descriptor: Int32, path: String) {
    self.descriptor = Atomic(descriptor)
    self.path = path
  }

  deinit { close() }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
    let descriptor = descriptor.load(ordering: .relaxed)
    var done = 0
    while done < buffer.count {
      let target = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      guard let position = off_t(exactly: offset &+ UInt64(done)) else {
        throw FileError(number: EINVAL, .read, path: path)
      }
      let count = pread(descriptor, target.baseAddress, target.count, position)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileError(number: errno, .read, path: path)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
    let descriptor = descriptor.load(ordering: .relaxed)
    var done = 0
    while done < bytes.count {
      let source = UnsafeRawBufferPointer(rebasing: bytes[done...])
      guard let position = off_t(exactly: offset &+ UInt64(done)) else {
        throw FileError(number: EINVAL, .write, path: path)
      }
      let count = pwrite(descriptor, source.baseAddress, source.count, position)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileError(number: errno, .write, path: path)
      }
      if count == 0 { throw FileError(number: EIO, .write, path: path) }
      done += count
    }
  }

  func sync() throws(FileError) {
    let descriptor = descriptor.load(ordering: .relaxed)
    #if canImport(Glibc)
      // Writes back the data and the size, which is all that reading it again needs. Never repeated after an error.
      let result = fdatasync(descriptor)
    #else
      // fsync alone leaves the bytes in the drive's cache on this platform.
      let result = fcntl(descriptor, F_FULLFSYNC)
    #endif
    if result != 0 { throw FileError(number: errno, .sync, path: path) }
  }

  func size() throws(FileError) -> UInt64 {
    var result = stat()
    let descriptor = descriptor.load(ordering: .relaxed)
    if fstat(descriptor, &result) != 0 { throw FileError(number: errno, .size, path: path) }
    return UInt64(max(0, result.st_size))
  }

  func truncate(to size: UInt64) throws(FileError) {
    guard let length = off_t(exactly: size) else { throw FileError(number: EINVAL, .truncate, path: path) }
    let descriptor = descriptor.load(ordering: .relaxed)
    _ = try retrying(.truncate, path) { ftruncate(descriptor, length) }
  }

  func close() {
    let old = descriptor.exchange(-1, ordering: .relaxed)
    if old >= 0 { posixClose(old) }
  }
}

func posixOpen(_ path: String, _ flags: Int32) -> Int32 { open(path, flags, 0o600) }

func posixClose(_ descriptor: Int32) { _ = close(descriptor) }

func posixRename(_ path: String, _ newPath: String) -> Int32 { rename(path, newPath) }

func posixLink(_ path: String, _ newPath: String) -> Int32 { link(path, newPath) }

/// Repeats a call that a signal interrupted, and turns any other failure into an error.
func retrying(_ operation: FileError.Operation, _ path: String, _ call: () -> Int32) throws(FileError) -> Int32 {
  while true {
    let result = call()
    if result >= 0 { return result }
    if errno != EINTR { throw FileError(number: errno, operation, path: path) }
  }
}

extension FileError {
  /// The error for a system error number.
  package init(number: Int32, _ operation: Operation, path: String) {
    let code: Code
    switch number {
    case ENOENT: code = .notFound
    case EEXIST, ENOTEMPTY: code = .exists
    case ENOSPC, EDQUOT: code = .noSpace
    case EIO: code = .device
    case EACCES, EPERM, EROFS: code = .permission
    case EMFILE, ENFILE: code = .tooManyFiles
    case ELOOP: code = .symbolicLink
    default: code = .other
    }
    self.init(code, operation, path: path, number: number, reason: Self.text(number))
  }

  private static func text(_ number: Int32) -> String {
    guard let words = strerror(number) else { return "error \(number)" }
    return String(cString: words)
  }
}
