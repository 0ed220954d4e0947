import Foundation

/// A child process of a test: its output goes to a file, and it is ended with the test whatever happens.
final class RunningProcess {
  let process = Process()
  let outputURL: URL

  /// Starts `executable` (a path, or a name on the PATH) with its standard output and error in one file.
  init(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) throws {
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

  var output: String { (try? String(contentsOf: outputURL, encoding: .utf8)) ?? "" }

  /// Sends a signal and waits for the end; returns the exit status, or the signal as a negative number.
  @discardableResult
  func end(_ signal: Int32 = SIGTERM) -> Int32 {
    if process.isRunning { kill(process.processIdentifier, signal) }
    return wait()
  }

  @discardableResult
  func wait() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .uncaughtSignal ? -process.terminationStatus : process.terminationStatus
  }

  /// Runs a command to its end and returns what it wrote and its status.
  static func run(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:]
  ) throws -> (status: Int32, output: String) {
    let running = try RunningProcess(executable, arguments, environment: environment)
    let status = running.wait()
    return (status, running.output)
  }
}

/// Programs that the tests need: installed by .ci/peers.
enum OutsideProgram {
  static func isInstalled(_ name: String) -> Bool {
    (try? RunningProcess.run("sh", ["-c", "command -v \(name)"]).status) == 0
  }

  static var isCI: Bool { ProcessInfo.processInfo.environment["CI"] == "true" }

  /// Whether a test may run: on a developer's machine it is left out where the program is missing; in CI it runs, and fails.
  static func isExpected(_ names: String...) -> Bool { isCI || names.allSatisfy(isInstalled) }

  static var isOpenTelemetryPythonExpected: Bool {
    isCI
      || (try? RunningProcess.run(
        "python3", ["-c", "import opentelemetry.sdk, opentelemetry.exporter.otlp"],
        environment: ["PYTHONPATH": pythonPath]
      ).status) == 0
  }

  /// The folder of the executables that were built with these tests.
  static let buildFolder: URL = {
    var url = URL(filePath: #filePath)
    for _ in 0..<4 { url.deleteLastPathComponent() }
    return url.appending(path: ".build/debug")
  }()

  static var needletail: String { buildFolder.appending(path: "needletail").path }

  /// Where .ci/peers puts the Python packages.
  static var pythonPath: String {
    buildFolder.deletingLastPathComponent().appending(path: "python").path
  }
}
