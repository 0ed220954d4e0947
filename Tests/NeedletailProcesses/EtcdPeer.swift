import Foundation

/// A real etcd (Debian's `etcd-server`) on this machine, alone, with its data in a folder of its own.
///
/// One test has it, and starts and kills it in one task: nothing of it is changed while another one asks it.
package final class EtcdPeer: @unchecked Sendable {
  package let port: Int
  private let peerPort: Int
  private let folder: URL
  private var process: RunningProcess?
  private let client: ServerClient

  /// Starts one and waits until it takes requests.
  package nonisolated(nonsending) init() async throws {
    let ports = try FreePorts.take(2)
    (port, peerPort) = (ports[0], ports[1])
    client = ServerClient(port: ports[0], otlpHTTPPort: 0)
    folder = FileManager.default.temporaryDirectory.appending(path: "needletail-etcd-\(UUID().uuidString)")
    try await start()
  }

  package var url: String { "http://127.0.0.1:\(port)" }

  /// Starts it with what it had.
  package nonisolated(nonsending) func start() async throws {
    let peers = "http://127.0.0.1:\(peerPort)"
    let process = try RunningProcess(
      "etcd",
      [
        "--data-dir", folder.path, "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls",
        peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default=\(peers)", "--enable-v2=false",
      ])
    self.process = process
    try await eventually(seconds: 300, "etcd takes requests: \(process.output.suffix(500))") {
      guard process.isRunning else { throw TestFailure("etcd ended: \(process.output.suffix(1000))") }
      return (try? await client.get("/health").status) == 200
    }
  }

  /// Ends it at once; its data stays.
  package func kill() {
    process?.end(SIGKILL)
    process = nil
  }

  package func end() {
    kill()
    try? FileManager.default.removeItem(at: folder)
  }

  /// Asks its JSON gateway.
  @discardableResult
  package nonisolated(nonsending) func ask(_ path: String, _ body: [String: Any]) async throws -> [String: Any] {
    let bytes = Array(try JSONSerialization.data(withJSONObject: body))
    let (status, answer) = try await client.post(path, bytes, type: "application/json")
    guard status == 200 else { throw TestFailure("\(path): \(status) \(String(decoding: answer, as: UTF8.self))") }
    return try JSONSerialization.jsonObject(with: answer) as? [String: Any] ?? [:]
  }

  package nonisolated(nonsending) func put(_ key: String, _ value: String) async throws {
    try await ask("/v3/kv/put", ["key": Self.base64(key), "value": Self.base64(value)])
  }

  package nonisolated(nonsending) func delete(_ key: String) async throws {
    try await ask("/v3/kv/deleterange", ["key": Self.base64(key)])
  }

  /// The keys that begin with a text, without it, in order.
  package nonisolated(nonsending) func keys(_ prefix: String) async throws -> [String] {
    let end = prefix.dropLast() + "0"
    let answer = try await ask(
      "/v3/kv/range", ["key": Self.base64(prefix), "range_end": Self.base64(String(end)), "keys_only": true])
    return (answer["kvs"] as? [[String: Any]] ?? []).compactMap { value in
      (value["key"] as? String).flatMap { Data(base64Encoded: $0) }.map {
        String(String(decoding: $0, as: UTF8.self).dropFirst(prefix.count))
      }
    }
  }

  private static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
}
