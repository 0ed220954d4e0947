import Foundation

/// A real Prometheus that scrapes a node exporter every second and writes to a server under test.
package struct PrometheusPeer {
  private let folder: URL
  package let port: Int
  private let exporter: RunningProcess
  package let prometheus: RunningProcess

  /// Starts both; `target` is the port of the server's API.
  package init(writingTo target: Int) throws {
    let ports = try FreePorts.take(2)
    port = ports[0]
    folder = FileManager.default.temporaryDirectory.appending(path: "needletail-prometheus-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let configuration = """
      global:
        scrape_interval: 1s
      scrape_configs:
        - job_name: node
          static_configs: [{targets: ["127.0.0.1:\(ports[1])"]}]
      remote_write:
        - url: http://127.0.0.1:\(target)/api/v1/write
          queue_config: {batch_send_deadline: 200ms}
      """
    try configuration.write(to: folder.appending(path: "prometheus.yml"), atomically: true, encoding: .utf8)
    exporter = try RunningProcess("prometheus-node-exporter", ["--web.listen-address=127.0.0.1:\(ports[1])"])
    prometheus = try RunningProcess(
      "prometheus",
      [
        "--config.file=\(folder.path)/prometheus.yml", "--storage.tsdb.path=\(folder.path)/data",
        "--web.listen-address=127.0.0.1:\(port)",
      ])
  }

  package func end() {
    prometheus.end(SIGKILL)
    exporter.end(SIGKILL)
    try? FileManager.default.removeItem(at: folder)
  }

  /// The raw samples of an answer's `data` by series: labels in canonical text to times and values as text.
  package static func samples(_ data: Any) throws -> [String: [String]] {
    guard let result = (data as? [String: Any])?["result"] as? [[String: Any]] else {
      throw TestFailure("no result in \(data)")
    }
    var samples: [String: [String]] = [:]
    for series in result {
      guard let labels = series["metric"] as? [String: String], let values = series["values"] as? [[Any]] else {
        throw TestFailure("no series: \(series)")
      }
      let key = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
      samples[key] = values.map { pair in
        let value = Double(pair.last as? String ?? "") ?? .nan
        return "\((pair.first as? NSNumber)?.doubleValue ?? -1) \(value.bitPattern)"
      }
    }
    return samples
  }
}
