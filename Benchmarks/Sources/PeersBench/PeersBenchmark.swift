import BenchmarkSupport
import Foundation

/// The whole benchmark: each load in turn, each printed when it is done.
struct PeersBenchmark {
  let options: Options
  let contestants: [Contestant]
  let endSeconds: Int

  init(_ options: Options) throws {
    self.options = options
    let known = [
      Contestant.victoriaMetrics(cache: !options.disablesCaches), .prometheus(), .needletail(options.needletail),
    ]
    contestants = known.filter { options.servers.contains($0.name) }
    for contestant in contestants where !contestant.isInstalled {
      throw BenchmarkError("\(contestant.executable) is not there; .ci/peers installs the peers")
    }
    // Noon of yesterday: an hour before it lies in one day and one block of two hours, whenever the benchmark runs.
    endSeconds = (Int(Date().timeIntervalSince1970) / 86_400 - 1) * 86_400 + 43_200
  }

  var names: [String] { contestants.map(\.name) }

  func run() throws {
    for load in options.loads {
      switch load {
      case "devops": try devops()
      case "cardinality": try cardinality()
      case "histograms": try histograms()
      case "days": try days()
      default: try churn()
      }
    }
  }

  private func devops() throws {
    let fleet = Fleet(
      SeriesTemplate.devops, series: options.series, rounds: options.rounds, endMilliseconds: endSeconds * 1_000)
    var figures = FigureTable(servers: names)
    var queries: (table: Table, notes: [String])?
    for (turn, samplesPerRequest) in options.requests.enumerated() {
      let bodies = try makeBodies(fleet, samplesPerRequest)
      for (other, connections) in options.connections.enumerated() {
        let isMain = turn == 0 && other == 0
        let ingest = IngestRun(fleet: fleet, bodies: bodies, connections: connections, options: options)
        let prefix = isMain ? "" : "\(samplesPerRequest) a request, \(connections) connections: "
        try passes(keepingLast: isMain && options.figures.contains { $0 != "kill" }) { contestant in
          try ingest.run(contestant, prefix: prefix, into: &figures)
        } questions: { servers in
          queries = try ask(servers, &figures)
        }
      }
      if turn == 0, options.figures.contains("kill") {
        for contestant in contestants {
          say("kill -9: \(contestant.name)")
          let run = KillRun(
            contestant: contestant, fleet: fleet, bodies: bodies, options: options, endSeconds: queryEnd)
          do { try run.run(into: &figures) } catch { figures.note("kill -9, \(contestant.name): \(error)") }
        }
      }
    }
    figures.note("prometheus keeps the last two to three hours in its head: its disk figure is mostly its log")
    footnotes(&figures)
    show(
      "Devops: \(fleet.slots) series, \(fleet.rounds) rounds, \(fleet.samples) samples; \(options.requests[0]) a request, "
        + "\(options.connections[0]) connections where nothing else is said", figures)
    if let queries { show("Queries on it", queries.table, queries.notes) }
  }

  /// What is asked of servers that hold the devops load.
  private func ask(
    _ servers: [RunningServer], _ figures: inout FigureTable
  ) throws -> (table: Table, notes: [String])? {
    let questions = QueryRun(servers: servers, options: options, endSeconds: queryEnd)
    if options.figures.contains("scan") {
      say("scans")
      ScanRun(queries: questions).run(into: &figures)
    }
    var result: (table: Table, notes: [String])?
    if options.figures.contains("queries") {
      say("queries")
      result = questions.run(QueryShape.devops, into: &figures)
    }
    if options.figures.contains("visible") {
      say("visibility")
      try VisibilityRun(servers: servers, endSeconds: queryEnd).run(into: &figures)
    }
    try recordForcedMerge(of: servers, samples: options.rounds * options.series, into: &figures)
    return result
  }

  /// What VictoriaMetrics takes on disk when all it has is merged into one part.
  func recordForcedMerge(of servers: [RunningServer], samples: Int, into figures: inout FigureTable) throws {
    for server in servers where server.contestant.name == "victoria-metrics" {
      let before = server.figures.cpuSeconds
      try Settling(server: server).forceMerge()
      figures.record(
        "VM alone, after force_merge: disk, bytes per sample", "victoria-metrics",
        Double(server.disk.allocated) / Double(samples))
      figures.record(
        "VM alone, force_merge: CPU s per million samples", "victoria-metrics",
        (server.figures.cpuSeconds - before) / Double(samples) * 1e6)
    }
  }

  private func cardinality() throws {
    let fleet = Fleet(
      SeriesTemplate.cardinality, series: options.cardinality, rounds: 3, targetLabel: "customer",
      endMilliseconds: endSeconds * 1_000)
    var figures = FigureTable(servers: names)
    let bodies = try makeBodies(fleet, options.requests[0])
    let ingest = IngestRun(fleet: fleet, bodies: bodies, connections: options.connections[0], options: options)
    try passes(keepingLast: !options.figures.isEmpty) { contestant in
      try ingest.runRoundsApart(contestant, into: &figures)
    } questions: { servers in
      let questions = QueryRun(servers: servers, options: options, endSeconds: queryEnd)
      let shapes: [(QueryShape, Double)] = [
        (QueryShape(name: "count of all series", form: .instant(#"count({job="bench"})"#)), 0.2),
        (QueryShape(name: "label values, \(fleet.targets)", form: .path("/api/v1/label/customer/values")), 0.3),
      ]
      for (shape, target) in shapes {
        for server in servers {
          do {
            let cost = try questions.cost(shape, server, fewest: 3)
            let name = server.contestant.name
            figures.record("\(shape.name): p50 ms", name, cost.milliseconds, target: .ratio(target))
            figures.record("\(shape.name): CPU ms", name, cost.cpuMilliseconds, target: .ratio(target))
            guard let answer = Answer(cost.answer) else { throw BenchmarkError("the answer cannot be read") }
            let count = answer.series.values.first?.values.first ?? Double(answer.series.count)
            figures.record("\(shape.name): the answer", name, count)
          } catch { figures.note("\(shape.name), \(server.contestant.name): \(error)") }
        }
      }
    }
    show("High cardinality: \(fleet.slots) series, 3 samples each, \(options.requests[0]) a request", figures)
  }

  private func churn() throws {
    let fleet = Fleet(
      SeriesTemplate.devops, series: options.series, rounds: options.rounds, roundsToChurn: 20,
      endMilliseconds: endSeconds * 1_000)
    var figures = FigureTable(servers: names)
    let bodies = try makeBodies(fleet, options.requests[0])
    let ingest = IngestRun(fleet: fleet, bodies: bodies, connections: options.connections[0], options: options)
    try passes(keepingLast: !options.figures.isEmpty) { contestant in
      try ingest.run(contestant, prefix: "", into: &figures)
    } questions: { servers in
      let questions = QueryRun(servers: servers, options: options, endSeconds: queryEnd)
      let shape = QueryShape(
        name: "count", form: .instant(#"count(last_over_time({job="bench"}[\#(fleet.rounds * 15 + 60)s]))"#))
      for server in servers {
        do {
          let cost = try questions.cost(shape, server, fewest: 3)
          let count = Answer(cost.answer)?.series.values.first?.values.first
          figures.record("series in all, by a query", server.contestant.name, count)
          figures.record("that query: CPU ms", server.contestant.name, cost.cpuMilliseconds)
        } catch { figures.note("count, \(server.contestant.name): \(error)") }
      }
    }
    show(
      "Churn: \(fleet.slots) series at a time, a tenth replaced every 5 minutes, \(fleet.seriesInAll) in all, "
        + "\(fleet.samples) samples", figures)
  }

  /// Runs all servers in turn, another first in each pass; those of the last pass are asked before they end.
  func passes(
    of some: [Contestant]? = nil, keepingLast: Bool, _ run: (Contestant) throws -> RunningServer,
    questions: ([RunningServer]) throws -> Void
  ) throws {
    let contestants = some ?? contestants
    for pass in 0..<options.passes {
      var kept: [RunningServer] = []
      for turn in contestants.indices {
        let contestant = contestants[(turn + pass) % contestants.count]
        say("pass \(pass + 1), \(contestant.name)")
        let server = try run(contestant)
        if keepingLast, pass == options.passes - 1 { kept.append(server) }
      }
      guard !kept.isEmpty else { continue }
      // In the order of the columns.
      try questions(contestants.compactMap { other in kept.first { $0.contestant.name == other.name } })
    }
  }

  var queryEnd: Int { endSeconds + 1 }

  func makeBodies(_ fleet: Fleet, _ samplesPerRequest: Int) throws -> BodyFile {
    let bodies = try BodyFile(fleet, samplesPerRequest: samplesPerRequest, root: options.folder)
    say("\(bodies.entries.count) bodies of \(samplesPerRequest) samples, \(bodies.byteCount >> 20) MiB")
    return bodies
  }

  func footnotes(_ figures: inout FigureTable) {
    figures.note(
      options.disablesCaches
        ? "victoria-metrics ran with -search.disableCache"
        : options.usesCaches
          ? "victoria-metrics and needletail answered from their result caches where they could"
          : "every query of victoria-metrics and needletail had nocache=1, but for one that refreshes")
    figures.note("all with their default durability: needletail syncs before it acknowledges, the others do not")
  }

  func show(_ title: String, _ figures: FigureTable) {
    print("\n\(options.isMarkdown ? "### " : "")\(title)\n\n" + figures.text(markdown: options.isMarkdown))
    fflush(nil)
  }

  func show(_ title: String, _ table: Table, _ notes: [String]) {
    print("\n\(options.isMarkdown ? "### " : "")\(title)\n\n" + table.text(markdown: options.isMarkdown) + "\n")
    for note in notes { print("- " + note) }
    fflush(nil)
  }

  func say(_ text: String) { FileHandle.standardError.write(Data("peers-bench: \(text)\n".utf8)) }
}
