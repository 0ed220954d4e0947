import Foundation

/// A started server with a fresh folder on a free port of loopback; it is killed and its folder removed at the end.
package final class RunningServer {
  private var process = Process()
  private let folder: String
  package let contestant: Contestant
  package private(set) var port = 0

  /// Starts the server on a folder of its own below `root`, and returns when it is ready.
  package init(
    _ contestant: Contestant, root: String = FileManager.default.temporaryDirectory.path
  ) throws(BenchmarkError) {
    self.contestant = contestant
    folder = root + "/needletail-bench-\(UUID().uuidString)"
    Cleanup.add(folder: folder)
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try "global: {}\n".write(toFile: folder + "/prometheus.yml", atomically: true, encoding: .utf8)
    } catch {
      throw BenchmarkError("cannot make \(folder): \(error)")
    }
    try start()
  }

  deinit {
    killHard()
    Cleanup.remove(folder: folder)
  }

  package var figures: ProcessFigures { ProcessFigures(identifier: process.processIdentifier) }

  package var disk: DiskUse { DiskUse(folder: folder + "/data") }

  /// Starts the server on what lies in its folder and waits until it is ready, for three minutes at most.
  package func start() throws(BenchmarkError) {
    port = try Self.freePort()
    process = Process()
    // The kernel kills the server also when this program is killed and cannot clean up.
    let guardian = "/usr/bin/setpriv"
    let arguments = contestant.arguments(folder, port)
    if FileManager.default.isExecutableFile(atPath: guardian) {
      process.executableURL = URL(filePath: guardian)
      process.arguments = ["--pdeathsig", "KILL", "--", contestant.executable] + arguments
    } else {
      process.executableURL = URL(filePath: contestant.executable)
      process.arguments = arguments
    }
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { throw BenchmarkError("cannot run \(contestant.executable): \(error)") }
    Cleanup.add(process: process.processIdentifier)
    let deadline = ContinuousClock.now + .seconds(180)
    while (try? Connection(port: port).get(contestant.readyPath).status) != 200 {
      guard ContinuousClock.now < deadline, process.isRunning else {
        throw BenchmarkError("\(contestant.name) does not start")
      }
      usleep(2_000)
    }
  }

  /// Ends the process as `kill -9` does.
  package func killHard() {
    guard process.isRunning else { return }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    Cleanup.remove(process: process.processIdentifier)
  }

  /// A port of loopback that nobody listens on.
  package static func freePort() throws(BenchmarkError) -> Int {
    #if canImport(Glibc)
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      let descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
      }
    }
    guard isBound else { throw BenchmarkError("no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
