/// A series that every target of a fleet has.
struct SeriesTemplate {
  let name: String
  let labels: [(String, String)]
  let kind: ValueKind

  /// What a node exporter and a service beside it report: 200 series, after the shapes of TSBS's devops case. A third are CPU times, a
  /// quarter a classic histogram; one in twenty-five uses its whole mantissa.
  static let devops: [SeriesTemplate] =
    cpu + network + filesystems + memory + loads + temperatures + averages + constants + histogram + requests

  /// Counters of a customer: twenty for each of 50,000.
  static let cardinality: [SeriesTemplate] = (0..<20).map { index in
    SeriesTemplate(
      name: "customer_requests_total",
      labels: [("code", ["200", "302", "404", "500"][index % 4]), ("path", paths[index / 4])],
      kind: .counter(Int64(1 + index % 7)))
  }

  /// Native histograms of an HTTP service: two for each of its paths, from busy to quiet.
  static let histograms: [SeriesTemplate] = (0..<10).map { index in
    let rate: Double = [1_500, 300, 60, 12, 2][index / 2]
    let octaves: Double = [1, 0.9, 0.8, 0.7, 0.6][index / 2]
    return SeriesTemplate(
      name: "http_request_latency_seconds",
      labels: [("method", index % 2 == 0 ? "GET" : "POST"), ("path", paths[index / 2])],
      kind: .latencies(rate: index % 2 == 0 ? rate : rate / 2, octaves: octaves))
  }

  private static let paths = ["/", "/cart", "/checkout", "/product", "/search"]

  private static let cpu: [SeriesTemplate] = (0..<64).map { index in
    let mode = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"][index % 8]
    let rate: Int64 = [1_300, 4, 0, 0, 2, 0, 40, 130][index % 8]
    return SeriesTemplate(
      name: "node_cpu_seconds_total", labels: [("cpu", "\(index / 8)"), ("mode", mode)], kind: .hundredths(rate))
  }

  private static let network: [SeriesTemplate] = (0..<16).map { index in
    let name = ["receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"][index / 4]
    let rate: Int64 = index / 4 % 2 == 0 ? 1_800_000 : 2_400
    return SeriesTemplate(
      name: "node_network_\(name)_total", labels: [("device", "eth\(index % 4)")],
      kind: .counter(index % 4 == 3 ? 0 : rate))
  }

  private static let filesystems: [SeriesTemplate] = (0..<12).map { index in
    let mount = index % 4
    let kind: ValueKind =
      switch index / 4 {
      case 0: .pages(4_000_000)
      case 1: .counter(0)
      default: .constant(Double(64 << 30))
      }
    return SeriesTemplate(
      name: "node_filesystem_" + ["avail_bytes", "readonly", "size_bytes"][index / 4],
      labels: [("device", "/dev/nvme0n1p\(mount)"), ("mountpoint", ["/", "/boot", "/home", "/var"][mount])], kind: kind)
  }

  private static let memory: [SeriesTemplate] = [
    "Active", "Buffers", "Cached", "Dirty", "Inactive", "MemAvailable", "MemFree", "Slab", "SwapFree", "Writeback",
  ].map { name in
    SeriesTemplate(
      name: "node_memory_\(name)_bytes", labels: [("collector", "meminfo")],
      kind: name == "SwapFree" ? .constant(Double(8 << 30)) : .pages(1_500_000))
  }

  private static let loads: [SeriesTemplate] = ["node_load1", "node_load15", "node_load5"].map { name in
    SeriesTemplate(name: name, labels: [("collector", "loadavg")], kind: .gauge(180))
  }

  private static let temperatures: [SeriesTemplate] = (0..<8).map { index in
    SeriesTemplate(name: "node_hwmon_temp_celsius", labels: [("sensor", "temp\(index)")], kind: .gauge(4_250))
  }

  private static let averages: [SeriesTemplate] = (0..<8).map { index in
    SeriesTemplate(
      name: "service_latency_ewma_seconds", labels: [("shard", "\(index)")], kind: .mantissa(0.08 * Double(index + 1)))
  }

  private static let constants: [SeriesTemplate] =
    ["cpu", "diskstats", "edac", "filefd", "hwmon", "loadavg", "meminfo", "netdev", "vmstat"].map { name in
      SeriesTemplate(name: "node_scrape_collector_success", labels: [("collector", name)], kind: .constant(1))
    } + [
      SeriesTemplate(
        name: "node_boot_time_seconds", labels: [("collector", "stat")], kind: .constant(1_790_000_000)),
      SeriesTemplate(name: "node_os_info", labels: [("version", "12")], kind: .constant(1)),
    ]

  private static let histogram: [SeriesTemplate] = (0..<4).flatMap { path in
    let rate = 900.0 / Double(path * path + 1)
    let bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    let shares = [0.02, 0.08, 0.3, 0.55, 0.78, 0.93, 0.975, 0.99, 0.997, 0.999, 0.9999, 1]
    let label = ("path", paths[path])
    return zip(bounds, shares).map { bound, share in
      SeriesTemplate(
        name: "http_request_duration_seconds_bucket", labels: [("le", bound), label],
        kind: .bucket(share: share, rate: rate, path: path))
    } + [
      SeriesTemplate(
        name: "http_request_duration_seconds_count", labels: [label], kind: .bucket(share: 1, rate: rate, path: path)),
      SeriesTemplate(
        name: "http_request_duration_seconds_sum", labels: [label], kind: .sum(mean: 0.071, rate: rate, path: path)),
    ]
  }

  private static let requests: [SeriesTemplate] = (0..<12).map { index in
    SeriesTemplate(
      name: "http_requests_total", labels: [("code", ["200", "404", "500"][index % 3]), ("path", paths[index / 3])],
      kind: .counter([700, 12, 1][index % 3]))
  }
}
