import CSnappy
import Foundation
import NeedletailProcesses
import OTLPOracle

/// A real Prometheus and a real server under test that hold the same data.
struct DifferentialPair {
  let server: ServerUnderTest
  private let folder: URL
  private let peer: RunningProcess
  private let peerPort: Int

  var questions: DifferentialQuestions { DifferentialQuestions(client: server.client, peerPort: peerPort) }

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
      guard peer.isRunning else { throw TestFailure("prometheus ended: \(peer.output)") }
      return (try? await client.get("/-/ready", port: peerPort))?.status == 200
    }
    try await write(DifferentialData().series)
  }

  func end() {
    peer.end(SIGKILL)
    server.stop(SIGKILL)
    try? FileManager.default.removeItem(at: folder)
  }

  /// Brings what the server under test has in memory into parts.
  func flush() async throws {
    let (status, answer) = try await server.client.post("/needletail/v1/admin/flush", [], type: "text/plain")
    guard status / 100 == 2 else { throw TestFailure("\(status) \(String(decoding: answer, as: UTF8.self))") }
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
}
