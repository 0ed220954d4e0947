import BenchmarkSupport
import Foundation
import Synchronization

/// Runs what was asked for, and prints a table for each.
struct ClusterBenchmark {
  private static let memberCount = 3

  private let options: Options
  private let load: Load

  init(_ options: Options) {
    self.options = options
    load = Load(series: options.series, samplesPerRequest: options.samplesPerRequest, rounds: options.rounds)
  }

  func run() throws {
    print(
      "\(load.sampleCount) samples of \(load.series) series, \(load.samplesPerRequest) a request, \(Self.memberCount) members,"
        + " a connection to each\n")
    var costs: [String: [WriteCost]] = [:]
    var reads: [Reader: [String: [String: [Double]]]] = [:]
    for pass in 1...options.passes {
      if options.figures.contains("replication") {
        costs["one node", default: []].append(try write(to: Cluster(single: options.needletail)))
        costs["3 members, N=1", default: []].append(
          try write(to: Cluster(options.needletail, members: Self.memberCount, replication: 1)))
      }
      let cluster = try Cluster(options.needletail, members: Self.memberCount, replication: 3)
      costs["3 members, N=3", default: []].append(try write(to: cluster))
      if options.figures.contains("reads") {
        for reader in Reader.allCases { try read(cluster, by: reader, into: &reads[reader, default: [:]]) }
      }
      if options.figures.contains("handover"), pass == options.passes { try handOver(cluster) }
    }
    if options.figures.contains("replication") { printCosts(costs) }
    if options.figures.contains("reads") {
      for reader in Reader.allCases { printReads(reads[reader] ?? [:], by: reader) }
    }
  }

  private func say(_ text: String) { FileHandle.standardError.write(Data("cluster-bench: \(text)\n".utf8)) }

  // MARK: Replication

  private struct WriteCost {
    var cpuSeconds: Double
    var settledCPUSeconds: Double
    var wallSeconds: Double
    var diskBytes: Double
  }

  private func write(to cluster: Cluster) throws -> WriteCost {
    let start = (Int(Date().timeIntervalSince1970) - load.rounds * 15) * 1000
    let began = cluster.cpuSeconds
    var wall = 0.0
    for round in 0..<load.rounds {
      let bodies = try load.bodies(round: round, startMilliseconds: start)
      let clock = ContinuousClock.now
      try send(bodies, to: cluster)
      wall += (ContinuousClock.now - clock) / .seconds(1)
    }
    let sent = cluster.cpuSeconds
    try cluster.settle()
    let cost = WriteCost(
      cpuSeconds: sent - began, settledCPUSeconds: cluster.cpuSeconds - began, wallSeconds: wall,
      diskBytes: Double(cluster.diskBytes))
    say("written: \(cost)")
    return cost
  }

  /// Sends the bodies of a round: to each member its share, one after the other, so that a series always goes the same way.
  private func send(_ bodies: [[UInt8]], to cluster: Cluster) throws {
    let failure = Mutex<BenchmarkError?>(nil)
    let ports = cluster.members.map(\.port)
    DispatchQueue.concurrentPerform(iterations: ports.count) { member in
      do throws(BenchmarkError) {
        let connection = try Connection(port: ports[member])
        for index in stride(from: member, to: bodies.count, by: ports.count) {
          let answer = try connection.post("/api/v1/write", bodies[index])
          guard answer.status / 100 == 2 else {
            throw BenchmarkError("a write was answered with \(answer.status): \(answer.text.prefix(300))")
          }
        }
      } catch {
        failure.withLock { $0 = $0 ?? error }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  private func printCosts(_ costs: [String: [WriteCost]]) {
    let millions = Double(load.sampleCount) / 1e6
    func middle(_ name: String, _ figure: (WriteCost) -> Double) -> Double {
      (costs[name] ?? []).map(figure).median ?? .nan
    }
    var table = Table([
      "", "CPU s per million", "ratio", "CPU s per million, settled", "ratio", "samples per second",
      "disk, bytes per sample",
    ])
    let single = (middle("one node", \.cpuSeconds), middle("one node", \.settledCPUSeconds))
    for name in ["one node", "3 members, N=1", "3 members, N=3"] {
      let (sent, settled) = (middle(name, \.cpuSeconds), middle(name, \.settledCPUSeconds))
      table.add([
        name, Table.number(sent / millions), Table.number(sent / single.0), Table.number(settled / millions),
        Table.number(settled / single.1), Table.number(Double(load.sampleCount) / middle(name, \.wallSeconds)),
        Table.number(middle(name, \.diskBytes) / Double(load.sampleCount)),
      ])
    }
    print("CPU of all processes\n\n" + table.text(markdown: options.isMarkdown) + "\n")
  }

  // MARK: Reads

  private static let queries = [
    ("one series", #"node_load1{instance="host-1.example.net:9100",device="d0"}"#),
    ("rate of one host", #"rate(node_cpu_seconds_total{instance="host-1.example.net:9100"}[5m])"#),
    ("sum of rate over all", "sum by (rack) (rate(node_cpu_seconds_total[5m]))"),
    ("count of everything", #"count({job="node"})"#),
    ("quantile over all", "quantile_over_time(0.9, node_load1[10m])"),
  ]

  /// Who is asked: a member that needs the others for their agreement alone, or one that needs them for everything.
  private enum Reader: String, CaseIterable {
    case holder = "by one that holds all"
    case stranger = "by one that holds nothing"
  }

  /// Asks each query with one and with quorum in turn, for as long as was asked; medians in ms.
  private func read(_ cluster: Cluster, by reader: Reader, into reads: inout [String: [String: [Double]]]) throws {
    if reader == .stranger {
      _ = try cluster.startAnother()
      // Until it knows who holds what.
      usleep(5_000_000)
    }
    guard let member = reader == .holder ? cluster.members.first : cluster.members.last else { return }
    let connection = try Connection(port: member.port)
    let time = Int(Date().timeIntervalSince1970) - 120
    for (name, query) in Self.queries {
      let text = query.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
      var times: [String: [Double]] = [:]
      var answers: [String: String] = [:]
      let end = ContinuousClock.now + .milliseconds(2 * options.queryMilliseconds)
      while ContinuousClock.now < end {
        for consistency in ["one", "quorum"] {
          let clock = ContinuousClock.now
          let answer = try connection.get(
            "/api/v1/query?query=\(text)&time=\(time)&consistency=\(consistency)&nocache=1")
          times[consistency, default: []].append((ContinuousClock.now - clock) / .milliseconds(1))
          guard answer.status == 200 else {
            throw BenchmarkError("\(name): \(answer.status) \(answer.text.prefix(300))")
          }
          // How whole it is stands behind what it says, and is what differs.
          answers[consistency] = answer.text.components(separatedBy: ",\"coverage\":")[0]
        }
      }
      guard answers["one"] == answers["quorum"] else {
        throw BenchmarkError("\(name): one and quorum answer otherwise")
      }
      for (consistency, times) in times {
        reads[name, default: [:]][consistency, default: []].append(times.median ?? .nan)
      }
      say(
        "\(name), \(reader.rawValue): \(times.mapValues { $0.median ?? .nan }), \(answers["one"]?.utf8.count ?? 0) bytes"
      )
    }
  }

  private func printReads(_ reads: [String: [String: [Double]]], by reader: Reader) {
    var table = Table(["query, N=3, settled, \(reader.rawValue)", "p50 ms, one", "p50 ms, quorum", "ratio"])
    var ratios: [Double] = []
    for (name, _) in Self.queries {
      let one = reads[name]?["one"]?.median ?? .nan
      let quorum = reads[name]?["quorum"]?.median ?? .nan
      ratios.append(quorum / one)
      table.add([name, Table.number(one), Table.number(quorum), Table.number(quorum / one)])
    }
    table.add(["geometric mean", "", "", Table.number(ratios.geometricMean)])
    print(table.text(markdown: options.isMarkdown) + "\n")
  }

  // MARK: Hand-over

  /// Adds a fourth member to a cluster at rest, and tells how long its slots took and what was moved for them.
  private func handOver(_ cluster: Cluster) throws {
    let name = try cluster.startAnother()
    // Until the others know that it is settled.
    usleep(15_000_000)
    let metric = "needletail_repair_row_bytes_taken_total"
    let (bytes, cpu) = (try cluster.metric(metric), cluster.cpuSeconds)
    let clock = ContinuousClock.now
    let answer = try Connection(port: cluster.members[0].port).post("/needletail/v1/cluster/add?node=\(name)")
    guard answer.status == 200 else {
      throw BenchmarkError("add answered \(answer.status): \(answer.text.prefix(300))")
    }
    try cluster.wait("the change does not end") { $0["change"] == nil }
    let seconds = (ContinuousClock.now - clock) / .seconds(1)
    let moved = try cluster.metric(metric) - bytes
    let held = (try cluster.status()["nodes"] as? [[String: Any]] ?? []).first { $0["name"] as? String == name }
    var table = Table(["hand-over", ""])
    table.add(["slots that the new member holds", "\(held?["slots"] as? Int ?? -1)"])
    table.add(["seconds from add to the end of the change", Table.number(seconds)])
    table.add(["MB of rows moved, as sent", Table.number(moved / 1e6)])
    table.add(["MB a second", Table.number(moved / 1e6 / seconds)])
    table.add(["CPU seconds of all processes", Table.number(cluster.cpuSeconds - cpu)])
    print(table.text(markdown: options.isMarkdown) + "\n")
  }
}
