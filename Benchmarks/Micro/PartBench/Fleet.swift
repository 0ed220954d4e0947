import NeedletailTelemetry

/// Targets that all report the same 200 series every 15 seconds, each some milliseconds off in a way that all of its
/// series share: the shapes of the comparison with other servers.
struct Fleet: Load {
  private enum Kind {
    case counter(Double), hundredths(Double), gauge(Double), pages(Double), constant(Double), mantissa(Double)
    case bucket(share: Double, rate: Double), sum(rate: Double)
  }

  private struct Template {
    var labels: [(String, String)]
    var kind: Kind
  }

  static let interval: Int64 = 15_000

  let noun = "sample"
  let seriesPerBatch = 2_000
  let targets: Int
  let start: Int64
  private let templates: [Template]
  private var values: [Double]

  init(series: Int, start: Int64) {
    templates = Self.devops
    targets = max(1, series / templates.count)
    self.start = start
    values = (0..<(targets * templates.count)).map { Double(Self.mixed(UInt64($0)) % 10_000) * 13 }
  }

  var seriesCount: Int { targets * templates.count }

  static func mixed(_ seed: UInt64) -> UInt64 {
    var value = seed &+ 0x9E37_79B9_7F4A_7C15
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  func labels(_ series: Int) -> LabelSet {
    let target = series / templates.count
    return LabelSet(
      (templates[series % templates.count].labels + [
        ("instance", "host-\(target)-0"), ("job", "bench"),
        ("datacenter", "eu-central-1\(["a", "b", "c"][target % 3])"),
        ("environment", target % 5 == 0 ? "staging" : "production"), ("os", "Debian12"),
        ("rack", "rack-\(target % 40)"), ("region", "eu-\(target % 4)"), ("service", "service-\(target % 19)"),
        ("team", "team-\(target % 7)"),
      ]).map { Label($0.0, $0.1) })
  }

  mutating func append(_ series: Int, _ round: Int, to batch: inout SeriesBatchBuilder) {
    batch.append(timestamp: time(series, round), valueBits: next(series, round).bitPattern)
  }

  private func time(_ series: Int, _ round: Int) -> Int64 {
    let target = series / templates.count
    return start + Int64(round) * Self.interval + Int64(Self.mixed(UInt64(target * 65_537 + round)) % 7)
  }

  /// The next value of a series; rounds are asked for in order.
  private mutating func next(_ series: Int, _ round: Int) -> Double {
    let random = Self.mixed(UInt64(series) << 24 &+ UInt64(round) &+ 99)
    let noise = Double(random >> 11) / Double(1 << 53)
    let target = series / templates.count
    let shared = Double(Self.mixed(UInt64(target) << 24 &+ UInt64(round) &+ 17) >> 11) / Double(1 << 53)
    switch templates[series % templates.count].kind {
    case .counter(let rate):
      values[series] += (rate * 2 * noise).rounded(.down)
      return values[series]
    case .hundredths(let rate):
      values[series] += (rate * (0.8 + 0.4 * noise) + (rate > 0 ? noise : 0)).rounded(.down)
      return values[series] / 100
    case .gauge(let middle):
      values[series] += ((noise - 0.5) * middle / 25 + (middle - values[series]) / 64).rounded(.down)
      return values[series] / 100
    case .pages(let middle):
      if random & 1 == 0 { values[series] += ((noise - 0.5) * middle / 500).rounded(.down) }
      return values[series] * 4_096
    case .constant(let value): return value
    case .mantissa(let mean): return mean * (0.75 + noise / 2)
    case .bucket(let share, let rate):
      values[series] += ((rate * (0.5 + shared)).rounded(.down) * share).rounded(.down)
      return values[series]
    case .sum(let rate):
      values[series] += (rate * (0.5 + shared)).rounded(.down) * 0.071 * (0.9 + 0.2 * noise)
      return values[series]
    }
  }

  private static let devops: [Template] = {
    var all: [Template] = []
    func add(_ name: String, _ labels: [(String, String)], _ kind: Kind) {
      all.append(Template(labels: [("__name__", name)] + labels, kind: kind))
    }
    let modes = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"]
    for index in 0..<64 {
      add(
        "node_cpu_seconds_total", [("cpu", "\(index / 8)"), ("mode", modes[index % 8])],
        .hundredths([1_300, 4, 0, 0, 2, 0, 40, 130][index % 8]))
    }
    for index in 0..<16 {
      let name = ["receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"][index / 4]
      add(
        "node_network_\(name)_total", [("device", "eth\(index % 4)")],
        .counter(index % 4 == 3 ? 0 : index / 4 % 2 == 0 ? 1_800_000 : 2_400))
    }
    for index in 0..<12 {
      let kind: Kind = index / 4 == 0 ? .pages(4_000_000) : .constant(index / 4 == 1 ? 0 : 68_719_476_736)
      add(
        "node_filesystem_" + ["avail_bytes", "readonly", "size_bytes"][index / 4],
        [("device", "/dev/nvme0n1p\(index % 4)"), ("mountpoint", ["/", "/boot", "/home", "/var"][index % 4])], kind)
    }
    for name in ["Active", "Buffers", "Cached", "Dirty", "Inactive", "MemAvailable", "MemFree", "Slab", "Writeback"] {
      add("node_memory_\(name)_bytes", [("collector", "meminfo")], .pages(1_500_000))
    }
    add("node_memory_SwapFree_bytes", [("collector", "meminfo")], .constant(8_589_934_592))
    for name in ["node_load1", "node_load15", "node_load5"] { add(name, [("collector", "loadavg")], .gauge(180)) }
    for index in 0..<8 { add("node_hwmon_temp_celsius", [("sensor", "temp\(index)")], .gauge(4_250)) }
    for index in 0..<8 {
      add("service_latency_ewma_seconds", [("shard", "\(index)")], .mantissa(0.08 * Double(index + 1)))
    }
    for name in ["cpu", "diskstats", "edac", "filefd", "hwmon", "loadavg", "meminfo", "netdev", "vmstat"] {
      add("node_scrape_collector_success", [("collector", name)], .constant(1))
    }
    add("node_boot_time_seconds", [("collector", "stat")], .constant(1_790_000_000))
    add("node_os_info", [("version", "12")], .constant(1))
    let bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    let shares = [0.02, 0.08, 0.3, 0.55, 0.78, 0.93, 0.975, 0.99, 0.997, 0.999, 0.9999, 1]
    for (index, path) in ["/", "/cart", "/checkout", "/product"].enumerated() {
      let rate = 900 / Double(index * index + 1)
      for (bound, share) in zip(bounds, shares) {
        add(
          "http_request_duration_seconds_bucket", [("le", bound), ("path", path)], .bucket(share: share, rate: rate))
      }
      add("http_request_duration_seconds_count", [("path", path)], .bucket(share: 1, rate: rate))
      add("http_request_duration_seconds_sum", [("path", path)], .sum(rate: rate))
      for (code, rate) in [("200", 700.0), ("404", 12), ("500", 1)] {
        add("http_requests_total", [("code", code), ("path", path)], .counter(rate))
      }
    }
    return all
  }()
}
