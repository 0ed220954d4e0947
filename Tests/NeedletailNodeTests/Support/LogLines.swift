import Logging
import NeedletailEnvironment

@testable import NeedletailNode

/// Takes what a server logs.
final class LogLines: Sendable {
  private let lines = Lock<[String]>([])

  func logger(_ level: Logger.Level = .warning) -> Logger {
    Logger(
      label: "needletail",
      factory: { label in
        LogfmtHandler(
          label: label, level: level,
          write: { bytes in self.lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) } })
      })
  }

  var all: [String] { lines.withLock { $0 } }

  /// Waits until a line has these texts; other tests may have the processors for a while.
  func wait(for texts: [String]) async {
    while !all.contains(where: { line in texts.allSatisfy { line.contains($0) } }) { await Task.yield() }
  }
}
