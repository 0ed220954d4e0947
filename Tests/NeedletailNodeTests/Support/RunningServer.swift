import Foundation
import Logging
import NeedletailSimulation
import ServiceLifecycle

@testable import NeedletailNode

/// A server inside this process, on ports that the system picks.
struct RunningServer: Sendable {
  let addresses: BoundAddresses
  let group: ServiceGroup

  /// Runs a server on the data folder, hands it to `body`, and stops it in the orderly way.
  static func run<Result: Sendable>(
    folder: TemporaryFolder, flags: [String: String] = [:], logger: Logger? = nil,
    _ body: @escaping @Sendable (RunningServer) async throws -> Result
  ) async throws -> Result {
    var all = [
      "data": folder.path + "/data", "listen": "127.0.0.1:0", "otlp-http": "127.0.0.1:0", "otlp-grpc": "127.0.0.1:0",
      "self-interval": "off", "log-level": "error",
    ]
    all.merge(flags) { $1 }
    let configuration = try ServerConfiguration.load(flags: all, environment: [:], file: nil)
    var server = NeedletailServer(configuration: configuration, logger: logger)
    // A busy machine must not decide what a stop has time for.
    server.stopTime = StopTime(clock: ManualClock())
    let started = server
    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: [started], logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
    async let ended: Void = group.run()
    do {
      let running = RunningServer(addresses: try await started.started(), group: group)
      let result = try await body(running)
      await group.triggerGracefulShutdown()
      try await ended
      return result
    } catch {
      await group.triggerGracefulShutdown()
      try? await ended
      throw error
    }
  }

  /// Sends a request to the API (or another port) and waits for the answer on a thread of its own.
  func request(
    _ method: String, _ path: String, port: Int? = nil, headers: [String: String] = [:], body: [UInt8]? = nil
  ) async throws -> HTTPAnswer {
    let port = port ?? addresses.api.port
    return try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(
          with: Swift.Result {
            var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            for (name, value) in headers { head += "\(name): \(value)\r\n" }
            if let body { head += "Content-Length: \(body.count)\r\n" }
            let connection = try HTTPConnection(port: port)
            connection.send(Array((head + "\r\n").utf8) + (body ?? []))
            return try HTTPAnswer(parsing: connection.receiveAll())
          })
      }
    }
  }

  func get(_ path: String, headers: [String: String] = [:]) async throws -> HTTPAnswer {
    try await request("GET", path, headers: headers)
  }

  /// The decoded JSON of a successful answer.
  func json(_ path: String, headers: [String: String] = [:]) async throws -> [String: Any] {
    let answer = try await get(path, headers: headers)
    guard answer.status == 200 else {
      throw HTTPConnection.Failure(description: "\(path): \(answer.status) \(answer.text)")
    }
    return try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any] ?? [:]
  }

  func remoteWrite(_ series: [TestSeries], headers: [String: String] = [:]) async throws -> HTTPAnswer {
    var all = ["Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"]
    all.merge(headers) { $1 }
    return try await request(
      "POST", "/api/v1/write", headers: all, body: Snappy.literal(TestSeries.writeRequest(series)))
  }

  /// The values of an instant query, by the text of the series' labels without the name.
  func instant(_ query: String, at time: Int64, headers: [String: String] = [:]) async throws -> [String: String] {
    let escaped = query.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    let seconds = Double(time) / 1000
    let answer = try await json("/api/v1/query?query=\(escaped)&time=\(seconds)", headers: headers)
    let data = answer["data"] as? [String: Any]
    var values: [String: String] = [:]
    for series in data?["result"] as? [[String: Any]] ?? [] {
      let labels = (series["metric"] as? [String: String] ?? [:]).filter { $0.key != "__name__" }
      let key = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
      values[key] = (series["value"] as? [Any])?.last as? String
    }
    return values
  }
}

/// A folder that is removed with the value that made it.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("needletail-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
