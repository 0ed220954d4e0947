import Foundation
import NeedletailProcesses

/// A real `needletail serve` process on free ports with a data folder of its own.
final class ServerUnderTest {
  let folder: URL
  let port: Int
  let otlpHTTPPort: Int
  let otlpGRPCPort: Int
  private let extraArguments: [String]
  private(set) var process: RunningProcess?

  init(_ extraArguments: [String] = []) throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "needletail-e2e-\(UUID().uuidString)")
    let ports = try FreePorts.take(3)
    (port, otlpHTTPPort, otlpGRPCPort) = (ports[0], ports[1], ports[2])
    self.extraArguments = extraArguments
  }

  deinit {
    process?.end(SIGKILL)
    try? FileManager.default.removeItem(at: folder)
  }

  /// Starts the process and waits until it is ready.
  func start() async throws {
    let process = try RunningProcess(
      OutsideProgram.needletail,
      [
        "serve", "--data", folder.path, "--listen", "127.0.0.1:\(port)", "--otlp-http", "127.0.0.1:\(otlpHTTPPort)",
        "--otlp-grpc", "127.0.0.1:\(otlpGRPCPort)",
      ] + extraArguments)
    self.process = process
    try await eventually(seconds: 240, "the server is ready: \(process.output)") {
      guard process.isRunning else { throw TestFailure("serve ended: \(process.output)") }
      return (try? await self.get("/-/ready"))?.status == 200
    }
  }

  /// Ends the process with a signal and returns how it ended.
  @discardableResult
  func stop(_ signal: Int32 = SIGTERM) -> Int32 {
    defer { process = nil }
    return process?.end(signal) ?? 0
  }

  var client: ServerClient { ServerClient(port: port, otlpHTTPPort: otlpHTTPPort) }

  func get(_ path: String, port: Int? = nil) async throws -> (status: Int, body: Data) {
    try await client.get(path, port: port)
  }

  /// The `data` of a Prometheus API answer.
  func prometheus(_ path: String, _ parameters: [String: String]) async throws -> Any {
    try await client.prometheus(path, parameters)
  }
}
