import CSpawn
import Foundation

/// A child process of a test: its output goes to a file, and it is ended with the test whatever happens.
///
/// Started by the system's own call: Foundation's `Process` looks through the list of all open files before it starts a
/// child, and reads beyond the end of that list. A test process, which has thousands open, it ends by a segmentation fault
/// now and then.
package final class RunningProcess {
  /// Why a program was not started.
  package struct StartError: Error, CustomStringConvertible {
    let program: String
    let code: Int32
    package var description: String { "\(program) cannot be started: \(String(cString: strerror(code)))" }
  }

  package let identifier: pid_t
  private let outputPath: String
  /// As `waitpid` tells it; nil while the process runs.
  private var end: Int32?

  /// Starts `executable` (a path, or a name on the PATH) with its standard output and error in one file.
  package init(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) throws {
    let folder = FileManager.default.temporaryDirectory
    let outputPath = folder.appending(path: "needletail-test-\(UUID().uuidString).log").path
    let environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
    let (child, code) = Self.withStrings([executable] + arguments) { arguments in
      Self.withStrings(environment) { Self.spawn(executable, arguments, $0, outputPath) }
    }
    guard code == 0 else { throw StartError(program: executable, code: code) }
    self.outputPath = outputPath
    identifier = child
  }

  deinit {
    if isRunning {
      kill(identifier, SIGKILL)
      wait()
    }
    try? FileManager.default.removeItem(atPath: outputPath)
  }

  /// Strings as C has them: a list that ends with a null pointer.
  private static func withStrings<Result>(
    _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var strings: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
    defer { for string in strings { free(string) } }
    return strings.withUnsafeMutableBufferPointer { buffer in
      // It has an element at least.
      body(buffer.baseAddress.unsafelyUnwrapped)
    }
  }

  /// Starts a program that reads nothing, has no other open file of this process, and heeds every signal.
  private static func spawn(
    _ program: String, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
    _ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, _ outputPath: String
  ) -> (child: pid_t, code: Int32) {
    #if canImport(Glibc)
      var (actions, attributes) = (posix_spawn_file_actions_t(), posix_spawnattr_t())
    #else
      var (actions, attributes): (posix_spawn_file_actions_t?, posix_spawnattr_t?)
    #endif
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
    #if canImport(Glibc)
      cspawn_close_from(&actions, 3)
    #else
      flags |= Int32(POSIX_SPAWN_CLOEXEC_DEFAULT)
    #endif
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
    var child: pid_t = 0
    let code = posix_spawnp(&child, program, &actions, &attributes, arguments, environment)
    return (child, code)
  }

  package var isRunning: Bool {
    guard end == nil else { return false }
    var status: Int32 = 0
    switch waitpid(identifier, &status, WNOHANG) {
    case 0: return true
    case identifier: end = status
    default: end = -1
    }
    return false
  }

  /// All that it wrote so far.
  package var output: String {
    FileManager.default.contents(atPath: outputPath).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// Sends a signal and waits for the end; returns the exit status, or the signal as a negative number.
  @discardableResult
  package func end(_ signal: Int32 = SIGTERM) -> Int32 {
    if isRunning { kill(identifier, signal) }
    return wait()
  }

  /// Waits for the end; returns as `end` does.
  @discardableResult
  package func wait() -> Int32 {
    while end == nil {
      var status: Int32 = 0
      let ended = waitpid(identifier, &status, 0)
      if ended == identifier { end = status } else if errno != EINTR { end = -1 }
    }
    let status = end ?? -1
    let signal = status & 0x7f
    return signal == 0 ? status >> 8 & 0xff : -signal
  }

  /// Runs a command to its end and returns what it wrote and its status.
  package static func run(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:]
  ) throws -> (status: Int32, output: String) {
    let running = try RunningProcess(executable, arguments, environment: environment)
    let status = running.wait()
    return (status, running.output)
  }
}
