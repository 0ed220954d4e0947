import Foundation

/// A child process of a test: its output goes to a file, and it is ended with the test whatever happens.
package final class RunningProcess {
  package let process = Process()
  private let outputURL: URL

  /// Starts `executable` (a path, or a name on the PATH) with its standard output and error in one file.
  package init(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) throws {
    outputURL = FileManager.default.temporaryDirectory.appending(path: "needletail-test-\(UUID().uuidString).log")
    try Data().write(to: outputURL)
    let output = try FileHandle(forWritingTo: outputURL)
    if executable.contains("/") {
      process.executableURL = URL(filePath: executable)
      process.arguments = arguments
    } else {
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = [executable] + arguments
    }
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    try? FileManager.default.removeItem(at: outputURL)
  }

  /// All that it wrote so far.
  package var output: String { (try? String(contentsOf: outputURL, encoding: .utf8)) ?? "" }

  /// Sends a signal and waits for the end; returns the exit status, or the signal as a negative number.
  @discardableResult
  package func end(_ signal: Int32 = SIGTERM) -> Int32 {
    if process.isRunning { kill(process.processIdentifier, signal) }
    return wait()
  }

  /// Waits for the end; returns as `end` does.
  @discardableResult
  package func wait() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .uncaughtSignal ? -process.terminationStatus : process.terminationStatus
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
