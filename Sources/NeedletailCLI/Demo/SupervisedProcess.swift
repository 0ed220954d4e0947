import Foundation

/// A child that ends when its parent does.
struct SupervisedProcess {
  let name: String
  let log: String
  private let process: Process
  private let lifeline: FileHandle

  /// Starts `program` under `needletail supervise`; what it prints goes to the file `log`.
  init(
    _ name: String, _ program: String, _ arguments: [String], environment: [String: String] = [:], log: String,
    removing folder: String? = nil
  ) throws {
    self.name = name
    self.log = log
    guard FileManager.default.createFile(atPath: log, contents: nil), let sink = FileHandle(forWritingAtPath: log)
    else {
      throw CommandFailure(message: "cannot write \(log)")
    }
    let pipe = Pipe()
    process = Process()
    process.executableURL = URL(filePath: ExecutablePath.own)
    process.arguments = ["supervise"] + (folder.map { ["--remove", $0] } ?? []) + ["--", program] + arguments
    process.environment = Console.environment.merging(environment) { $1 }
    process.standardInput = pipe
    process.standardOutput = sink
    process.standardError = sink
    lifeline = pipe.fileHandleForWriting
    do {
      try process.run()
    } catch {
      throw CommandFailure(message: "cannot start \(name) (\(program)): \(error.localizedDescription)")
    }
  }

  var isRunning: Bool { process.isRunning }

  /// Why it has ended: its exit status, where it has.
  var status: Int32 { process.isRunning ? 0 : process.terminationStatus }

  /// Asks it to end.
  func release() { try? lifeline.close() }

  /// Asks it to end, and waits until it has.
  func end() {
    release()
    process.waitUntilExit()
  }

  /// The last lines that it printed.
  var lastWords: String {
    let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").suffix(8).joined(separator: "\n")
  }
}

/// Where this executable and those built with it are.
enum ExecutablePath {
  static var own: String {
    let link = "/proc/self/exe"
    if let path = try? FileManager.default.destinationOfSymbolicLink(atPath: link) { return path }
    return Bundle.main.executablePath ?? CommandLine.arguments[0]
  }

  /// A program in the folder of this one; nil when it is not there.
  static func beside(_ name: String) -> String? {
    let path = URL(filePath: own).deletingLastPathComponent().appending(path: name).path()
    return FileManager.default.isExecutableFile(atPath: path) ? path : nil
  }
}
