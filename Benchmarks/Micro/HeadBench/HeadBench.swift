// What the head costs: CPU time and memory a series, CPU time a sample, and selecting among a million series.
//
// It runs a real engine with a real journal in a temporary folder, and takes off what the same frames cost a journal
// without an engine. Usage: HeadBench [series] [unique] [starts] [known=ROWS]. `unique` gives every series a label value of its
// own; `starts` tells with each sample when its count began; `known` appends only, twenty samples for each series in batches of ROWS, for a profiler.

import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSeries
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@main struct HeadBench {
  static func main() async throws {
    try await OneThread.run { try await measure(Array(CommandLine.arguments.dropFirst())) }
  }

  private static func measure(_ arguments: [String]) async throws {
    let count = arguments.compactMap { Int($0) }.first ?? 1_000_000
    let fleet = Fleet(count: count, isUnique: arguments.contains("unique"))
    var run = try HeadRun(fleet, hasStarts: arguments.contains("starts"))
    let kind = fleet.isUnique ? ", each with a value of its own" : ""
    print("\(count) series, \(fleet.labelBytes / max(1, count)) label bytes each\(kind)")
    try await run.fill()
    if let rows = arguments.compactMap({ $0.hasPrefix("known=") ? Int($0.dropFirst(6)) : nil }).first {
      for _ in 0..<20 { try await run.append(rows: rows, order: .asCreated) }
      return run.close()
    }
    for rows in [2_000, 10_000] {
      try await run.append(rows: rows, order: .asCreated)
      try await run.append(rows: rows, order: .shuffled)
    }
    try run.ask("in the head")
    try await run.append(rows: 2_000, order: .late)
    try await run.flush()
    run.close()
  }
}

/// Labels like those of containers in a cluster: ten of them, about 250 bytes.
struct Fleet {
  let count: Int
  let isUnique: Bool
  private let metrics: Int

  init(count: Int, isUnique: Bool) {
    self.count = count
    self.isUnique = isUnique
    metrics = 100
  }

  func labels(_ index: Int) -> LabelSet {
    let (metric, target) = (index % metrics, index / metrics)
    let id = isUnique ? index : target
    return LabelSet([
      "__name__": "container_resource_usage_metric_\(metric)_seconds_total", "cluster": "production-eu-central-1",
      "container": "service-\(target % 400)", "endpoint": "https-metrics", "id": "/kubepods/burstable/pod\(id)/c\(id)",
      "instance": "10.\(target / 65_536).\(target / 256 % 256).\(target % 256):10250", "job": "kubelet",
      "namespace": "team-\(target % 50)", "node": "node-\(target % 300).internal",
      "pod": "service-\(target % 400)-\(target)",
    ])
  }

  var labelBytes: Int { (0..<count).reduce(0) { $0 + ($1 % 997 == 0 ? labels($1).canonicalBytes.count * 997 : 0) } }
}

/// What the process holds.
enum Memory {
  /// Anonymous resident memory, in bytes; 0 where the system does not tell.
  static func anonymous() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix("RssAnon:") else { continue }
      return (Int(text.split(whereSeparator: { $0 == " " || $0 == "\t" })[1]) ?? 0) * 1024
    }
    return 0
  }
}
