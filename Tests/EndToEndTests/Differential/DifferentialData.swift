import NeedletailEnvironment
import NeedletailTelemetry
import OTLPOracle

/// The data of the differential tests: 48 minutes of a small shop, all of it from one seed.
///
/// Every scrape is some milliseconds late, at most 489, and every query is asked at half a second past, with ranges, steps and
/// offsets of whole seconds. So no sample ever lies exactly at the edge of a range, where Prometheus 2 and 3 differ: ranges were
/// closed on the left once, and are open there now.
///
/// Gauges are multiples of 1/64 and counters whole numbers, whose sums come out the same in whatever order they are added.
struct DifferentialData {
  /// When the data begins, in milliseconds: 14 November 2023, 22:13:20.
  static let start: Int64 = 1_700_000_000_000
  private static let interval: Int64 = 15_000
  private static let scrapes = 192

  typealias Labels = [(name: String, value: String)]

  private(set) var series: [Prometheus_TimeSeries] = []
  private var random = SeededGenerator(seed: 2042)

  init() {
    let instances = ["api", "web"].flatMap { job in (0..<3).map { (job, "i-\($0)") } }
    for (number, (job, instance)) in instances.enumerated() {
      let target: Labels = [("job", job), ("instance", instance)]
      requests(target, number)
      for cpu in 0..<2 { cpuSeconds(target + [("cpu", "\(cpu)")]) }
      for (index, zone) in ["a", "b"].enumerated() { temperature(target + [("zone", zone)], 2 * number + index) }
      gauge("memory_bytes", target) { Double(Int.random(in: 1000...500_000, using: &$0) * 8 + number) }
      gauge("constant", target) { _ in [0, 1, 5, -3, 5, 2.5][number] }
      gauge("up", target) { Int.random(in: 0...9, using: &$0) < 8 ? 1 : 0 }
      add("build_info", target + [("version", number < 4 ? "1.2.\(number)" : "ünstable")], every: 1) { _, _ in 1 }
      add("target_info", target + [("region", "eu"), ("zone", "z\(number)")], every: 1) { _, _ in 1 }
      if number < 4 { sparse(target, number) }
      if number < 4 { intermittent(target, number) }
      if number != 5 { latency(target, number) }
      if number < 3 { native(target, number) }
    }
    odd()
    known()
  }

  // MARK: Series for what is worked out by hand

  /// Relative to when expressions are evaluated at one time: samples right at the edges of ranges, a counter that began not long ago,
  /// and a histogram of one bucket.
  private mutating func known() {
    let now = DifferentialQuestions.instant * 1000 + 500
    add("edge", at: (0..<10).map { (now - 540_000 + 60_000 * Int64($0), Double($0)) })
    add("edge_of_lookback", at: [(now - 300_000, 1)])
    add("young_total", at: (0..<4).map { (now - 90_000 + 30_000 * Int64($0), Double(20 + 30 * $0)) })
    var series = Prometheus_TimeSeries()
    series.labels = Self.sorted("known_histogram", [])
    var histogram = Prometheus_Histogram()
    (histogram.timestamp, histogram.countInt, histogram.sum) = (now - 10_000, 8, 12)
    histogram.zeroThreshold = 0x1p-10
    histogram.zeroCountInt = 0
    var span = Prometheus_BucketSpan()
    (span.offset, span.length) = (1, 1)
    (histogram.positiveSpans, histogram.positiveDeltas) = ([span], [8])
    series.histograms = [histogram]
    self.series.append(series)
  }

  private mutating func add(_ name: String, at points: [(time: Int64, value: Double)]) {
    var series = Prometheus_TimeSeries()
    series.labels = Self.sorted(name, [])
    series.samples = points.map { point in
      var sample = Prometheus_Sample()
      (sample.timestamp, sample.value) = (point.time, point.value)
      return sample
    }
    self.series.append(series)
  }

  // MARK: Numbers

  private mutating func gauge(_ name: String, _ labels: Labels, _ value: @escaping (inout SeededGenerator) -> Double) {
    add(name, labels, every: 1) { _, random in value(&random) }
  }

  /// Counters that are begun anew at times; the last one ends early, and the first `web` begins late.
  private mutating func requests(_ target: Labels, _ number: Int) {
    for (index, code) in ["200", "500"].enumerated() {
      var count = Double(10_000 * (number + 1) + index)
      let path = ["/", "/käse", "/日本"][(number + index) % 3]
      let resets = Set((0..<3).map { _ in Int.random(in: 30..<Self.scrapes, using: &random) })
      add("http_requests_total", target + [("code", code), ("path", path)], every: 1) { scrape, random in
        if number == 3, index == 0, scrape < 100 { return nil }
        if number == 5, index == 1, scrape > 150 { return scrape == 151 ? StaleMarker.value : nil }
        count += Double(Int.random(in: 0...40, using: &random))
        if resets.contains(scrape), number != 3, number != 5 { count = Double(Int.random(in: 0...9, using: &random)) }
        return count
      }
    }
  }

  private mutating func cpuSeconds(_ labels: Labels) {
    var seconds = 4000.1
    add("cpu_seconds_total", labels, every: 1) { scrape, random in
      seconds += Double(Int.random(in: 0...1500, using: &random)) / 100
      if scrape == 120 { seconds = 0.3 }
      return seconds
    }
  }

  /// No two series are ever equal: the last bits tell the series.
  private mutating func temperature(_ labels: Labels, _ index: Int) {
    gauge("temperature", labels) { Double(Int.random(in: -40...140, using: &$0) * 16 + index) / 64 }
  }

  /// So rarely that it is beyond the lookback at times.
  private mutating func sparse(_ target: Labels, _ number: Int) {
    add("sparse", target, every: 26 + number) { _, random in Double(Int.random(in: 500...600, using: &random)) }
  }

  /// With scrapes that failed, which are told, and with scrapes that never were; far above zero and never falling, because how far
  /// a counter is extended into a gap has changed.
  private mutating func intermittent(_ target: Labels, _ number: Int) {
    var count = 1000.0
    add("intermittent", target, every: 1) { scrape, random in
      let phase = (scrape + 11 * number) % 40
      if phase < 8 { return phase == 0 ? StaleMarker.value : nil }
      if (20..<24).contains(phase) { return nil }
      count += Double(Int.random(in: 0...3, using: &random))
      return count
    }
  }

  private mutating func odd() {
    let kinds: [(String, [Double])] = [
      ("nan", [.nan]), ("inf", [.infinity]), ("-inf", [-.infinity]),
      ("mixed", [1, .nan, 3, -.infinity, 2, 2, .infinity]),
      ("zero", [0, -0.0, 0]),
    ]
    for (number, (kind, values)) in kinds.enumerated() {
      let labels = [("job", number < 3 ? "api" : "web"), ("instance", "i-\(number % 3)"), ("kind", kind)]
      add("odd", labels, every: 1) { scrape, _ in values[scrape % values.count] }
    }
  }

  /// A series with a sample at each `every`th scrape for which there is a value.
  private mutating func add(
    _ name: String, _ labels: Labels, every: Int, _ value: (Int, inout SeededGenerator) -> Double?
  ) {
    var series = Prometheus_TimeSeries()
    series.labels = Self.sorted(name, labels)
    for scrape in stride(from: 0, to: Self.scrapes, by: every) {
      let time = time(of: scrape)
      guard let value = value(scrape, &random) else { continue }
      var sample = Prometheus_Sample()
      (sample.timestamp, sample.value) = (time, value)
      series.samples.append(sample)
    }
    self.series.append(series)
  }

  private mutating func time(of scrape: Int) -> Int64 {
    Self.start + Int64(scrape) * Self.interval + Int64.random(in: 11...489, using: &random)
  }

  private static func sorted(_ name: String, _ labels: Labels) -> [Prometheus_Label] {
    (labels + [("__name__", name)]).sorted { $0.name < $1.name }.map { pair in
      var label = Prometheus_Label()
      (label.name, label.value) = (pair.name, pair.value)
      return label
    }
  }

  // MARK: Histograms

  private mutating func latency(_ target: Labels, _ number: Int) {
    let bounds = ["0.1", "0.5", "1", "2.5", "10", "+Inf"]
    let steps = (0..<Self.scrapes).map { _ in bounds.map { _ in Int.random(in: 0...12, using: &random) } }
    for index in bounds.indices {
      var count = Double(5000 + 1000 * index)
      add("latency_seconds_bucket", target + [("le", bounds[index])], every: 1) { scrape, _ in
        count += Double(steps[scrape][...index].reduce(0, +))
        return count
      }
    }
    var (count, sum) = (10_000.0, 4096.5)
    add("latency_seconds_count", target, every: 1) { scrape, _ in
      count += Double(steps[scrape].reduce(0, +))
      return count
    }
    add("latency_seconds_sum", target, every: 1) { scrape, _ in
      sum += Double(steps[scrape][3]) * 1.5
      return sum
    }
  }

  /// A native histogram of whole numbers that only grows: what resets and changes of its layout mean has changed since 2.42.
  private mutating func native(_ target: Labels, _ number: Int) {
    var series = Prometheus_TimeSeries()
    series.labels = Self.sorted("native_latency", target)
    var buckets: [Int64] = [400, 300, 200, 100, 50]
    var (zeros, sum) = (Int64(64), 1024.0)
    for scrape in 0..<Self.scrapes {
      for index in buckets.indices { buckets[index] += Int64.random(in: 0...9, using: &random) }
      zeros += 1
      sum += Double(Int.random(in: 0...64, using: &random)) / 8
      var histogram = Prometheus_Histogram()
      histogram.timestamp = time(of: scrape)
      histogram.schema = Int32(number)
      histogram.zeroThreshold = 0x1p-10
      histogram.zeroCountInt = UInt64(zeros)
      histogram.countInt = UInt64(zeros + buckets.reduce(0, +))
      histogram.sum = sum
      var spans = [Prometheus_BucketSpan(), Prometheus_BucketSpan()]
      (spans[0].offset, spans[0].length) = (-2, 3)
      (spans[1].offset, spans[1].length) = (1, 2)
      histogram.positiveSpans = spans
      histogram.positiveDeltas = zip(buckets, [0] + buckets).map { $0 - $1 }
      series.histograms.append(histogram)
    }
    self.series.append(series)
  }
}
