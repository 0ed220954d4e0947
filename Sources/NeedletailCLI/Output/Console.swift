import Foundation
import NeedletailTerminal

/// Standard output and standard error.
enum Console {
  static let environment = ProcessInfo.processInfo.environment

  /// Whether a person reads standard output.
  static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

  static var depth: ColorDepth { ColorDepth.detect(environment: environment, isTerminal: isTerminal) }

  /// The window's width, or `COLUMNS`, or 100 in a pipe.
  static var columns: Int {
    if isTerminal { return TerminalSession.size.columns }
    if let columns = environment["COLUMNS"].flatMap({ Int($0) }), (20...2_000).contains(columns) { return columns }
    return 100
  }

  /// What tables must fit into: the window; nothing in a pipe, where a cut text is of no use to who reads it.
  static var tableColumns: Int? { isTerminal ? columns : nil }

  /// The times of a person's screen are local, those in a pipe are UTC.
  static var isLocalTime: Bool { isTerminal }

  static func print(_ text: String) {
    write(Array((text + "\n").utf8), to: STDOUT_FILENO)
  }

  static func print(_ lines: [StyledText]) {
    let depth = depth
    let text = lines.reduce(into: "") { $0 += TerminalWriter.line($1, depth: depth) + "\n" }
    write(Array(text.utf8), to: STDOUT_FILENO)
  }

  /// What a server sent, byte for byte into a pipe; on a terminal its control characters are made visible.
  static func printExactly(_ bytes: [UInt8]) {
    guard isTerminal else {
      write(bytes.last == 0x0A ? bytes : bytes + [0x0A], to: STDOUT_FILENO)
      return
    }
    let text = String(decoding: bytes.last == 0x0A ? bytes.dropLast() : bytes[...], as: UTF8.self)
    print(TerminalText.lines(text).map { StyledText($0) })
  }

  /// Text that may hold anything, such as CSV: as it is into a pipe, made visible on a terminal.
  static func printExactly(_ text: String) {
    printExactly(Array(text.utf8))
  }

  /// Tells on standard error what went wrong; the text may hold anything.
  static func complain(_ message: String, prefix: String = "needletail: ") {
    let lines = TerminalText.lines(String(message.prefix(8_000)))
    write(Array(lines.map { prefix + $0.string + "\n" }.joined().utf8), to: STDERR_FILENO)
  }

  /// Writes all bytes.
  ///
  /// When nobody reads any more there is nothing left to do: the process ends well.
  static func write(_ bytes: [UInt8], to descriptor: Int32) {
    bytes.withUnsafeBytes { buffer in
      var sent = 0
      while sent < buffer.count {
        let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
        let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
        if count > 0 {
          sent += count
        } else if errno == EPIPE {
          exit(0)
        } else if errno != EINTR && errno != EAGAIN {
          return
        }
      }
    }
  }
}
