import BenchmarkSupport
import Foundation

extension PeersBenchmark {
  /// Native histograms beside those peers that take them.
  func histograms() throws {
    let fleet = Fleet(
      SeriesTemplate.histograms, series: options.histograms, rounds: options.rounds, endMilliseconds: endSeconds * 1_000
    )
    let bodies = try makeBodies(fleet, options.requests[0])
    let (takers, others) = try histogramTakers()
    var figures = FigureTable(servers: takers.map(\.name), peer: "prometheus")
    for name in others {
      figures.note("\(name) acknowledges native histograms and keeps none of them, so it is no peer here")
    }
    let ingest = IngestRun(
      fleet: fleet, bodies: bodies, connections: options.connections[0], options: options, noun: "histogram")
    try passes(of: takers, keepingLast: true) { contestant in
      try ingest.run(contestant, prefix: "", into: &figures)
    } questions: { servers in
      if options.figures.contains("queries") {
        let questions = QueryRun(servers: servers, options: options, endSeconds: queryEnd)
        // An hour has 240 rounds.
        try HistogramQueryRun(queries: questions, histograms: fleet.slots * min(fleet.rounds, 240)).run(into: &figures)
      }
      for server in servers where server.contestant.name == "prometheus" {
        try recordSnapshot(of: server, histograms: fleet.samples, into: &figures)
      }
    }
    figures.note("prometheus ran with --enable-feature=native-histograms")
    show(
      "Native histograms: \(fleet.slots) series, \(fleet.rounds) rounds, \(fleet.samples) histograms of "
        + "\(Int(fleet.bucketsPerHistogram.rounded())) buckets; \(options.requests[0]) a request, \(options.connections[0]) connections",
      figures)
  }

  /// Which of the servers keep native histograms of remote write: each is sent one round of them.
  private func histogramTakers() throws -> (takers: [Contestant], others: [String]) {
    let fleet = Fleet(SeriesTemplate.histograms, series: 10, rounds: 1, endMilliseconds: endSeconds * 1_000)
    let bodies = try makeBodies(fleet, options.requests[0])
    var takers: [Contestant] = []
    var others: [String] = []
    for contestant in contestants {
      let contestant = contestant.name == "prometheus" ? .prometheus(nativeHistograms: true) : contestant
      let server = try RunningServer(contestant, root: options.folder)
      if let failure = Sender(bodies, to: server).send(rounds: 0..<1, connections: 1).failure { throw failure }
      _ = try Settling(server: server).run()
      if try HistogramQueryRun.holdsHistograms(server, endSeconds: queryEnd) {
        takers.append(contestant)
      } else {
        others.append(contestant.name)
      }
    }
    return (takers, others)
  }

  /// What Prometheus' head takes when it is written as a block, which otherwise comes hours later.
  private func recordSnapshot(
    of server: RunningServer, histograms: Int, into figures: inout FigureTable
  ) throws {
    let (disk, cpu) = (server.disk.length, server.figures.cpuSeconds)
    let answer = try Connection(port: server.port).post("/api/v1/admin/tsdb/snapshot")
    guard answer.status == 200 else { throw BenchmarkError("a snapshot was answered with \(answer.status)") }
    let name = server.contestant.name
    figures.record(
      "Prometheus alone, its head as a block: bytes per histogram", name,
      Double(server.disk.length - disk) / Double(histograms))
    figures.record(
      "Prometheus alone, its head as a block: CPU s per million histograms", name,
      (server.figures.cpuSeconds - cpu) / Double(histograms) * 1e6)
  }
}
