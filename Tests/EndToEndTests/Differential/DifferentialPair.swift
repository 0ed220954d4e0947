import CSnappy
import Foundation
import OTLPOracle

/// A real Prometheus and a real server under test that hold the same data.
struct DifferentialPair {
  /// How an expression is evaluated.
  enum Evaluation: String, CaseIterable {
    case instant, range
  }

  /// At half a second past, 43 minutes into the data.
  static let instant = DifferentialData.start / 1000 + 2580
  /// Twelve steps from 25 minutes into the data.
  static let (first, last, step) = (DifferentialData.start / 1000 + 1500, DifferentialData.start / 1000 + 2500, 89)

  let server: ServerUnderTest
  private let folder: URL
  private let peer: RunningProcess
  private let peerPort: Int

  init() async throws {
    server = try ServerUnderTest(["--retention", "forever"])
    peerPort = try FreePorts.take(1)[0]
    folder = FileManager.default.temporaryDirectory.appending(path: "needletail-differential-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data("{}".utf8).write(to: folder.appending(path: "prometheus.yml"))
    peer = try RunningProcess(
      "prometheus",
      [
        "--config.file=\(folder.path)/prometheus.yml", "--storage.tsdb.path=\(folder.path)/data",
        "--web.listen-address=127.0.0.1:\(peerPort)", "--web.enable-remote-write-receiver",
        "--enable-feature=native-histograms,promql-at-modifier,promql-negative-offset",
      ])
    try await server.start()
    let (client, peer, peerPort) = (server.client, peer, peerPort)
    try await eventually(seconds: 60, "Prometheus is ready: \(peer.output)") {
      guard peer.process.isRunning else { throw TestFailure("prometheus ended: \(peer.output)") }
      return (try? await client.get("/-/ready", port: peerPort))?.status == 200
    }
    try await write(DifferentialData().series)
  }

  func end() {
    peer.end(SIGKILL)
    server.stop(SIGKILL)
    try? FileManager.default.removeItem(at: folder)
  }

  private func write(_ series: [Prometheus_TimeSeries]) async throws {
    for first in stride(from: 0, to: series.count, by: 25) {
      var request = Prometheus_WriteRequest()
      request.timeseries = Array(series[first..<min(series.count, first + 25)])
      let bytes: [UInt8] = try request.serializedBytes()
      var count = snappy_max_compressed_length(bytes.count)
      var output = [CChar](repeating: 0, count: count)
      let status = bytes.withUnsafeBytes {
        snappy_compress($0.assumingMemoryBound(to: CChar.self).baseAddress, $0.count, &output, &count)
      }
      guard status == SNAPPY_OK else { throw TestFailure("snappy failed") }
      let body = output.prefix(count).map { UInt8(bitPattern: $0) }
      for port in [server.port, peerPort] {
        let (status, answer) = try await server.client.post(
          "/api/v1/write", body, type: "application/x-protobuf", port: port,
          headers: ["content-encoding": "snappy", "x-prometheus-remote-write-version": "0.1.0"])
        guard status / 100 == 2 else {
          throw TestFailure("port \(port) refused data: \(status) \(String(decoding: answer, as: UTF8.self))")
        }
      }
    }
  }

  // MARK: Questions

  /// How the server under test and Prometheus answer.
  func answers(_ expression: String, _ evaluation: Evaluation) async throws -> (ours: QueryAnswer, theirs: QueryAnswer) {
    async let ours = ask(expression, evaluation, port: server.port)
    async let theirs = ask(Self.spelledFor242(expression), evaluation, port: peerPort)
    return (try await ours, try await theirs)
  }

  /// `double_exponential_smoothing` was called `holt_winters` before Prometheus 3.
  private static func spelledFor242(_ expression: String) -> String {
    expression.replacing("double_exponential_smoothing", with: "holt_winters")
  }

  private func ask(_ expression: String, _ evaluation: Evaluation, port: Int) async throws -> QueryAnswer {
    let times =
      switch evaluation {
      case .instant: "&time=\(Self.instant).5"
      case .range: "&start=\(Self.first).5&end=\(Self.last).5&step=\(Self.step)"
      }
    let path = evaluation == .instant ? "/api/v1/query" : "/api/v1/query_range"
    let form = "query=\(ServerUnderTest.percentEncoded(expression))\(times)"
    let (_, body) = try await server.client.post(
      path, Array(form.utf8), type: "application/x-www-form-urlencoded", port: port)
    return try QueryAnswer(body)
  }
}
