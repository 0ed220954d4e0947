import Foundation

/// A server under measurement: how it is started and asked.
struct Contestant {
  let name: String
  let executable: String
  let port: Int
  let arguments: (_ folder: String, _ port: Int) -> [String]
  var writePath = "/api/v1/write"
  var readyPath = "/-/ready"

  static func all(needletail: String) -> [Contestant] {
    [
      Contestant(name: "needletail", executable: needletail, port: 17_070) { folder, port in
        ["serve", "--data", folder, "--listen", "127.0.0.1:\(port)", "--otlp-http", "off", "--otlp-grpc", "off"]
      },
      Contestant(name: "prometheus", executable: "/usr/bin/prometheus", port: 17_090) { folder, port in
        [
          "--web.enable-remote-write-receiver", "--config.file=\(folder)/prometheus.yml",
          "--storage.tsdb.path=\(folder)/data",
          "--web.listen-address=127.0.0.1:\(port)", "--log.level=error",
        ]
      },
      Contestant(name: "victoria-metrics", executable: "/usr/bin/victoria-metrics", port: 17_428) { folder, port in
        [
          "-storageDataPath=\(folder)/data", "-httpListenAddr=127.0.0.1:\(port)", "-loggerLevel=ERROR",
          "-retentionPeriod=100y",
        ]
      },
    ]
  }
}

/// What one run of one server gave.
struct Measurement {
  var cpuSeconds: Double
  var wallSeconds: Double
  var residentBytes: Int
  var diskBytes: Int
  var seriesCount: String
}

/// A started server with a fresh folder; it is killed and its folder removed at the end.
final class RunningServer {
  private let process = Process()
  private let folder: URL
  let contestant: Contestant

  init(_ contestant: Contestant) throws {
    self.contestant = contestant
    folder = FileManager.default.temporaryDirectory.appending(path: "needletail-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try "global: {}\n".write(to: folder.appending(path: "prometheus.yml"), atomically: true, encoding: .utf8)
    process.executableURL = URL(filePath: contestant.executable)
    process.arguments = contestant.arguments(folder.path, contestant.port)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    let deadline = Date() + 30
    while (try? Connection(port: contestant.port).get(contestant.readyPath).status) != 200 {
      guard Date() < deadline, process.isRunning else { throw BenchmarkError("\(contestant.name) does not start") }
      usleep(50_000)
    }
  }

  deinit {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    try? FileManager.default.removeItem(at: folder)
  }

  /// User and system time of the process so far, in seconds.
  var cpuSeconds: Double {
    guard let stat = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/stat", encoding: .utf8),
      let end = stat.lastIndex(of: ")")
    else { return .nan }
    let fields = stat[end...].split(separator: " ")
    return (Double(fields[12]) ?? .nan) / 100 + (Double(fields[13]) ?? .nan) / 100
  }

  var residentBytes: Int {
    let status = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }

  var diskBytes: Int {
    var total = 0
    let walk = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.totalFileAllocatedSizeKey])
    while let url = walk?.nextObject() as? URL {
      total += (try? url.resourceValues(forKeys: [.totalFileAllocatedSizeKey]))?.totalFileAllocatedSize ?? 0
    }
    return total
  }
}
