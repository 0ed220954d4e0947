import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why a full-screen view cannot start.
package enum TerminalError: Error, Equatable {
  /// Standard input or output is not a terminal.
  case notATerminal
  /// A system call failed with this error number.
  case system(call: String, errno: Int32)
}

/// The terminal while a full-screen view or a prompt has it: raw mode, for a view the alternate screen, a thread that reads it, and the promise
/// that it is given back as it was: by ``end()``, at exit, on SIGINT (which arrives as ``InputEvent/interrupt``), on SIGTERM
/// and SIGHUP (which arrive as ``InputEvent/terminate``), and when the process crashes.
///
/// One at a time per process.
package final class TerminalSession: Sendable {
  /// Keys, mouse, pastes and new sizes.
  ///
  /// Bounded: when nobody reads, the oldest are dropped.
  package let events: AsyncStream<InputEvent>
  private let continuation: AsyncStream<InputEvent>.Continuation
  private let modes: [TerminalWriter.Mode]
  private let reader: Reader
  /// More than a long query that is pasted into a terminal which does not tell pastes from keys.
  private static let eventsMax = 1 << 16

  /// Takes the terminal over, with these modes: all of them for a full-screen view, `bracketedPaste` for a prompt.
  ///
  /// Throws ``TerminalError`` when there is none.
  package init(_ modes: [TerminalWriter.Mode] = TerminalWriter.Mode.allCases) throws(TerminalError) {
    self.modes = modes
    guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else { throw .notATerminal }
    (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.eventsMax))
    reader = Reader(continuation)
    try SavedTerminal.remember(modes)
    SavedTerminal.installHandlers()
    try startReader()
    Self.write(TerminalWriter.enter(modes))
  }

  /// Gives the terminal back.
  ///
  /// May be called twice.
  package func end() {
    SavedTerminal.restore()
    continuation.finish()
  }

  /// Gives the terminal back, stops the process as Ctrl-Z does, and takes the terminal over again when it goes on.
  package func suspend() {
    pause()
    // Not SIGTSTP: the threads that tasks run on have that blocked.
    raise(SIGSTOP)
    resume()
  }

  /// Gives the terminal back for a while: what is printed meanwhile looks as without this.
  package func pause() {
    reader.isPaused.store(true, ordering: .releasing)
    SavedTerminal.wake()
    SavedTerminal.restore()
  }

  /// Takes the terminal over again.
  package func resume() {
    guard (try? SavedTerminal.remember(modes)) != nil else { return }
    reader.isPaused.store(false, ordering: .releasing)
    SavedTerminal.wake()
    Self.write(TerminalWriter.enter(modes))
  }

  /// The window's size now; 80x24 when it cannot be told.
  package static var size: Size {
    var window = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
      return Size(columns: 80, rows: 24)
    }
    return Size(columns: Int(window.ws_col), rows: Int(window.ws_row))
  }

  /// Writes all bytes to the terminal, however many calls that takes; a terminal that is gone is not an error.
  package static func write(_ bytes: [UInt8]) {
    SavedTerminal.write(bytes, to: STDOUT_FILENO)
  }

  private func startReader() throws(TerminalError) {
    let reader = Unmanaged.passRetained(self.reader)
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    let code = pthread_create(
      &thread, nil,
      { argument in
        let context: UnsafeMutableRawPointer? = argument
        if let context { Unmanaged<Reader>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, reader.toOpaque())
    if code != 0 {
      reader.release()
      SavedTerminal.restore()
      throw .system(call: "pthread_create", errno: code)
    }
  }
}

/// The thread that waits for the keyboard and for signals; a thread of its own because reading a terminal blocks.
private final class Reader: Sendable {
  private let continuation: AsyncStream<InputEvent>.Continuation
  /// Whether the terminal is as it was before the session.
  let isPaused = Atomic(false)

  init(_ continuation: AsyncStream<InputEvent>.Continuation) {
    self.continuation = continuation
  }

  func run() {
    var parser = InputParser()
    var bytes = [UInt8](repeating: 0, count: 1_024)
    while true {
      // What is typed while the terminal is not raw waits there: a read would wait for a whole line, and hear no signal.
      let input = isPaused.load(ordering: .acquiring) ? -1 : STDIN_FILENO
      var waits = [
        pollfd(fd: input, events: Int16(POLLIN), revents: 0),
        pollfd(fd: SavedTerminal.signalPipe, events: Int16(POLLIN), revents: 0),
      ]
      let ready = poll(&waits, nfds_t(waits.count), parser.isPending ? 25 : -1)
      if ready < 0 && errno != EINTR { break }
      if ready == 0 { parser.flush().forEach(send) }
      if ready <= 0 { continue }
      if waits[1].revents != 0 {
        let count = read(SavedTerminal.signalPipe, &bytes, bytes.count)
        for signal in bytes.prefix(max(0, count)) {
          switch Int32(signal) {
          case SavedTerminal.wakeUp: continue
          case SIGWINCH: send(.resize(TerminalSession.size))
          case SIGINT: send(.interrupt)
          default: send(.terminate)
          }
        }
      }
      if waits[0].revents != 0, !isPaused.load(ordering: .acquiring) {
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
        if count <= 0 { break }
        parser.feed(bytes.prefix(count)).forEach(send)
      }
    }
    send(.terminate)
    continuation.finish()
  }

  private func send(_ event: InputEvent) {
    continuation.yield(event)
  }
}
