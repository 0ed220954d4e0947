/// The load: a fleet of hosts that report like node exporters. Every request holds one sample of each of its series; values and labels
/// follow from fixed seeds, so that every server gets the same bytes.
package struct Load {
  package let series: Int
  package let samplesPerRequest: Int
  package let rounds: Int
  private let labels: [[UInt8]]

  package init(series: Int, samplesPerRequest: Int, rounds: Int) {
    self.series = series
    self.samplesPerRequest = samplesPerRequest
    self.rounds = rounds
    labels = (0..<series).map(Self.labels)
  }

  package var sampleCount: Int { series * rounds }

  private static let metrics = [
    "node_cpu_seconds_total", "node_memory_free_bytes", "node_load1", "node_network_receive_bytes_total",
    "node_disk_io_time_seconds_total", "node_filesystem_avail_bytes", "http_requests_total", "process_open_fds",
    "node_thermal_celsius", "node_boot_time_seconds",
  ]

  /// The encoded label fields of a TimeSeries message.
  private static func labels(of index: Int) -> [UInt8] {
    let pairs = [
      ("__name__", metrics[index % metrics.count]), ("datacenter", "eu-central-\(index / 1000 % 3)"),
      ("device", "d\(index / 10 % 20)"), ("instance", "host-\(index / 200).example.net:9100"), ("job", "node"),
      ("rack", "rack-\(index / 200 % 40)"), ("team", "platform"),
    ]
    var bytes: [UInt8] = []
    for (name, value) in pairs { RemoteWriteBody.append(label: name, value, to: &bytes) }
    return bytes
  }

  /// Counters, gauges with two decimals, constants and full-mantissa noise, by metric.
  private static func value(_ index: Int, _ round: Int) -> Double {
    var state = UInt64(truncatingIfNeeded: index &* 1_000_003 &+ round) &* 0x9E37_79B9_7F4A_7C15
    state ^= state >> 29
    let noise = Double(state >> 11) / Double(1 << 53)
    switch index % metrics.count {
    case 0, 3, 6: return Double(round * 37 + Int(noise * 10)) + Double(index % 97) * 1000
    case 1, 5: return Double(4096 * (1_000_000 + Int(noise * 5000)))
    case 2, 8: return ((20 + noise * 5) * 100).rounded() / 100
    case 7: return Double(64 + Int(noise * 4))
    case 9: return 1_700_000_000
    default: return Double(round) * 0.37 + noise
    }
  }

  /// The snappy-compressed remote-write bodies of one scrape round. The timestamp has a jitter per target of some milliseconds.
  package func bodies(round: Int, startMilliseconds: Int) throws -> [[UInt8]] {
    var body = RemoteWriteBody()
    return try stride(from: 0, to: series, by: samplesPerRequest).map { first in
      for index in first..<min(first + samplesPerRequest, series) {
        let milliseconds = startMilliseconds + round * 15_000 + index / 200 % 7
        body.append(labels: labels[index][...], milliseconds: milliseconds, value: Self.value(index, round))
      }
      return try body.finish()
    }
  }
}
