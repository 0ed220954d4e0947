#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How the terminal was before it was taken over, kept where a signal handler may read it: plain memory that is filled
/// once, before the handlers are installed, and is never freed.
///
/// A handler only calls tcsetattr, write, signal and raise, all of which POSIX lists as safe there.
enum SavedTerminal {
  private struct Record {
    var attributes: termios
    var restore: UnsafeMutableBufferPointer<UInt8>
    var pipe: (read: Int32, write: Int32)
    var isActive: Bool
  }

  // Safe: assigned once, by the first `remember`, before any handler or reader thread exists; afterwards only the
  // flag inside of the record changes, where a torn or late read at worst restores the terminal twice.
  nonisolated(unsafe) private static var record: UnsafeMutablePointer<Record>?

  /// The end of the pipe at which the numbers of received signals come out, one byte each.
  static var signalPipe: Int32 { record?.pointee.pipe.read ?? -1 }

  /// Stores the terminal's attributes and makes it raw.
  ///
  /// The modes are those that are switched off again; those of the first call hold for all.
  static func remember(_ modes: [TerminalWriter.Mode]) throws(TerminalError) {
    var attributes = termios()
    guard tcgetattr(STDIN_FILENO, &attributes) == 0 else { throw .system(call: "tcgetattr", errno: errno) }
    if let record {
      record.pointee.attributes = attributes
      record.pointee.isActive = true
    } else {
      var ends: [Int32] = [-1, -1]
      guard pipe(&ends) == 0 else { throw .system(call: "pipe", errno: errno) }
      for end in ends {
        // A handler must never block on a full pipe, and no child should inherit it.
        _ = fcntl(end, F_SETFL, O_NONBLOCK)
        _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      }
      let bytes = TerminalWriter.leave(modes)
      let restore = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
      _ = restore.initialize(from: bytes)
      let new = UnsafeMutablePointer<Record>.allocate(capacity: 1)
      new.initialize(
        to: Record(attributes: attributes, restore: restore, pipe: (ends[0], ends[1]), isActive: true))
      record = new
      atexit { SavedTerminal.restore() }
    }
    cfmakeraw(&attributes)
    // What was typed already stays.
    guard tcsetattr(STDIN_FILENO, TCSADRAIN, &attributes) == 0 else {
      throw .system(call: "tcsetattr", errno: errno)
    }
  }

  /// Puts the terminal back as it was; does nothing when it is not taken over.
  ///
  /// Safe in a signal handler.
  static func restore() {
    guard let record, record.pointee.isActive else { return }
    record.pointee.isActive = false
    // In this order: who sees the modes go has keys that make signals again.
    _ = tcsetattr(STDIN_FILENO, TCSANOW, &record.pointee.attributes)
    _ = ttyWrite(record.pointee.restore)
  }

  static func installHandlers() {
    for number in [SIGWINCH, SIGINT, SIGTERM, SIGHUP] {
      signal(number) { SavedTerminal.note($0) }
    }
    for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE] {
      signal(number) { number in
        SavedTerminal.restore()
        signal(number, SIG_DFL)
        raise(number)
      }
    }
  }

  static func write(_ bytes: [UInt8], to descriptor: Int32) {
    bytes.withUnsafeBytes { buffer in
      var sent = 0
      while sent < buffer.count, let base = buffer.baseAddress {
        let count = platformWrite(descriptor, base + sent, buffer.count - sent)
        if count > 0 {
          sent += count
        } else if count < 0 && errno == EAGAIN {
          var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          _ = poll(&wait, 1, 100)
        } else if count == 0 || errno != EINTR {
          return
        }
      }
    }
  }

  /// No signal: what comes out of the pipe after `wake`.
  static let wakeUp: Int32 = 0

  /// Has whoever waits at the pipe look around.
  static func wake() { note(wakeUp) }

  private static func note(_ number: Int32) {
    guard let record else { return }
    let saved = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = platformWrite(record.pointee.pipe.write, &byte, 1)
    errno = saved
  }

  private static func ttyWrite(_ bytes: UnsafeMutableBufferPointer<UInt8>) -> Int {
    guard let base = bytes.baseAddress else { return 0 }
    return platformWrite(STDOUT_FILENO, base, bytes.count)
  }
}

private func platformWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}
