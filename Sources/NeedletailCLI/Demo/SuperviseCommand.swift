import ArgumentParser
import Foundation

/// Runs a command for as long as its own standard input stays open, then ends it: how the demonstration's children die
/// with their parent, however that ends, also by kill -9.
///
/// Portable, where a parent-death signal is Linux alone.
struct SuperviseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "supervise", abstract: "Run a command until standard input ends.",
    discussion: """
      EXAMPLES
        sleep 10 | needletail supervise -- needletail serve
      """, shouldDisplay: false)

  @Option(help: "A folder to delete when the command has ended.")
  var remove: String?

  @Argument(parsing: .postTerminator, help: "The command and its arguments.")
  var command: [String] = []

  /// Seconds that a command gets to end well.
  private static let patience: UInt32 = 8

  func run() throws {
    guard let program = command.first else { throw ValidationError("give a command after --") }
    // A Ctrl-C reaches the whole group; the parent decides what it means. Handlers that do nothing rather than SIG_IGN,
    // which the command would inherit.
    for number in [SIGINT, SIGTERM, SIGHUP] { signal(number) { _ in } }
    defer { if let remove { try? FileManager.default.removeItem(atPath: remove) } }
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = Array(command.dropFirst())
    process.standardInput = FileHandle.nullDevice
    // Threads of a pool block signals, and a child inherits that from the thread which starts it.
    var none = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, nil)
    try process.run()
    let child = process.processIdentifier
    Thread.detachNewThread {
      var bytes = [UInt8](repeating: 0, count: 64)
      while read(STDIN_FILENO, &bytes, bytes.count) > 0 {}
      kill(child, SIGTERM)
      sleep(Self.patience)
      kill(child, SIGKILL)
    }
    process.waitUntilExit()
    if process.terminationStatus != 0 { throw ExitCode(process.terminationStatus) }
  }
}
