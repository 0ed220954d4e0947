import CSnappyBench

/// The load: a fleet of hosts that report like node exporters. Every request holds one sample of each of its series; values and labels
/// follow from fixed seeds, so that every server gets the same bytes.
struct Load {
  let series: Int
  let samplesPerRequest: Int
  let rounds: Int
  private let labels: [[UInt8]]

  init(series: Int, samplesPerRequest: Int, rounds: Int) {
    self.series = series
    self.samplesPerRequest = samplesPerRequest
    self.rounds = rounds
    labels = (0..<series).map(Self.labels)
  }

  var sampleCount: Int { series * rounds }

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
    for (name, value) in pairs {
      var label: [UInt8] = []
      appendField(1, Array(name.utf8), to: &label)
      appendField(2, Array(value.utf8), to: &label)
      appendField(1, label, to: &bytes)
    }
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
  func bodies(round: Int, startMilliseconds: Int) -> [[UInt8]] {
    stride(from: 0, to: series, by: samplesPerRequest).map { first in
      var request: [UInt8] = []
      for index in first..<min(first + samplesPerRequest, series) {
        var sample: [UInt8] = [0x09]
        withUnsafeBytes(of: Self.value(index, round).bitPattern.littleEndian) { sample.append(contentsOf: $0) }
        sample.append(0x10)
        appendVarint(UInt64(startMilliseconds + round * 15_000 + index / 200 % 7), to: &sample)
        var series = labels[index]
        appendField(2, sample, to: &series)
        appendField(1, series, to: &request)
      }
      return compress(request)
    }
  }

  private func compress(_ bytes: [UInt8]) -> [UInt8] {
    var length = snappy_max_compressed_length(bytes.count)
    var output = [CChar](repeating: 0, count: length)
    let status = bytes.withUnsafeBytes { source in
      snappy_compress(source.assumingMemoryBound(to: CChar.self).baseAddress, bytes.count, &output, &length)
    }
    precondition(status == SNAPPY_OK)
    return output[..<length].map { UInt8(bitPattern: $0) }
  }
}

private func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
  var rest = value
  while rest >= 0x80 {
    bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
    rest >>= 7
  }
  bytes.append(UInt8(rest))
}

private func appendField(_ number: UInt8, _ payload: [UInt8], to bytes: inout [UInt8]) {
  bytes.append(number << 3 | 2)
  appendVarint(UInt64(payload.count), to: &bytes)
  bytes += payload
}
