import BenchmarkSupport
import Foundation

extension PeersBenchmark {
  /// A day at 15 s, of fewer series than the devops load has: what is asked of it reaches far back.
  func days() throws {
    let rounds = 86_400_000 / Fleet.intervalMilliseconds
    let fleet = Fleet(
      SeriesTemplate.devops, series: options.daySeries, rounds: rounds, endMilliseconds: endSeconds * 1_000)
    let bodies = try makeBodies(fleet, options.requests[0])
    var figures = FigureTable(servers: names)
    var queries: (table: Table, notes: [String])?
    let ingest = IngestRun(fleet: fleet, bodies: bodies, connections: options.connections[0], options: options)
    try passes(keepingLast: options.figures.contains("queries")) { contestant in
      try ingest.run(contestant, prefix: "", into: &figures)
    } questions: { servers in
      say("queries")
      queries = QueryRun(servers: servers, options: options, endSeconds: queryEnd).run(
        QueryShape.days, into: &figures)
      try recordForcedMerge(of: servers, samples: fleet.samples, into: &figures)
    }
    figures.note("prometheus has all but the last two to three hours in blocks")
    footnotes(&figures)
    show(
      "A day: \(fleet.slots) series, \(fleet.rounds) rounds, \(fleet.samples) samples; \(options.requests[0]) a request, "
        + "\(options.connections[0]) connections", figures)
    if let queries { show("Queries on it", queries.table, queries.notes) }
  }
}
