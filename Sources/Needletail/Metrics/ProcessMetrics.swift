import NeedletailOTLP

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The process's own processor time, age, memory and threads (semantic conventions, "process metrics").
struct ProcessMetrics: Sendable {
  private let start: UInt64
  private let user: SeriesIdentity
  private let system: SeriesIdentity

  /// - Parameter start: about when the process began, in nanoseconds since the Unix epoch.
  init(start: UInt64) {
    self.start = start
    user = SeriesIdentity(dimensions: [("cpu.mode", "user")], start: start)
    system = SeriesIdentity(dimensions: [("cpu.mode", "system")], start: start)
  }

  /// Appends what this platform tells: memory and threads on Linux alone.
  ///
  /// - Returns: the number of series.
  func collect(into batch: inout RecordBatch, time: UInt64) -> Int {
    var usage = rusage()
    getrusage(0, &usage)
    batch.append { writer in
      writer.metric(name: "process.cpu.time", unit: "s", description: "", kind: .sum(isMonotonic: true)) { points in
        for (identity, spent) in [(user, usage.ru_utime), (system, usage.ru_stime)] {
          points.numberPoint(
            .double(Double(spent.tv_sec) + Double(spent.tv_usec) / 1e6), attributes: identity.attributes,
            start: start, time: time)
        }
      }
    }
    gauge("process.uptime", unit: "s", .double(Double(time - min(start, time)) / 1e9), into: &batch, time)
    return 3 + collectMemory(into: &batch, time: time)
  }

  private func collectMemory(into batch: inout RecordBatch, time: UInt64) -> Int {
    #if os(Linux)
      // "size resident shared text lib data dt", in pages.
      let pages = Self.contents(of: "/proc/self/statm").split(separator: " ").prefix(2).compactMap { Int64($0) }
      guard pages.count == 2 else { return 0 }
      let pageBytes = Int64(sysconf(Int32(_SC_PAGESIZE)))
      gauge("process.memory.virtual", unit: "By", .integer(pages[0] &* pageBytes), into: &batch, time)
      gauge("process.memory.usage", unit: "By", .integer(pages[1] &* pageBytes), into: &batch, time)
      return 2
    #else
      return 0
    #endif
  }

  private func gauge(
    _ name: String, unit: String, _ value: NumberValue, into batch: inout RecordBatch, _ time: UInt64
  ) {
    // The conventions call memory an up-down counter: a sum that may fall.
    let kind: MetricKind = unit == "By" ? .sum(isMonotonic: false) : .gauge
    batch.append { writer in
      writer.metric(name: name, unit: unit, description: "", kind: kind) { points in
        points.numberPoint(value, attributes: [], start: unit == "By" ? start : 0, time: time)
      }
    }
  }

  #if os(Linux)
    /// The first 256 bytes of a small file; empty when it cannot be read.
    private static func contents(of path: String) -> String {
      let file = open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { return "" }
      defer { close(file) }
      var buffer = [UInt8](repeating: 0, count: 256)
      let count = buffer.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
      return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
  #endif
}
