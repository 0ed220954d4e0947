import BenchmarkSupport
import Foundation

/// Sends a load to a fresh server, waits until it is settled, and takes its figures.
struct IngestRun {
  let fleet: Fleet
  let bodies: BodyFile
  let connections: Int
  let options: Options
  /// What the load is of.
  var noun = "sample"

  private static let ratio = FigureTable.Target.ratio(0.35)

  /// The figures of one pass, their names beginning with `prefix`; the server is left running for questions.
  func run(_ contestant: Contestant, prefix: String, into figures: inout FigureTable) throws -> RunningServer {
    let server = try RunningServer(contestant, root: options.folder)
    let name = contestant.name
    let millions = Double(bodies.samples) / 1e6
    let began = server.figures.cpuSeconds
    let clock = ContinuousClock.now
    try send(0..<fleet.rounds, server, &figures)
    let wall = (ContinuousClock.now - clock) / .seconds(1)
    let sent = server.figures.cpuSeconds
    let memory = server.figures.anonymousBytes
    let remark = try Settling(server: server).run()
    if let remark { figures.note(remark) }
    let settled = server.figures.cpuSeconds
    let disk = server.disk
    figures.record(prefix + "ingest, CPU s per million \(noun)s", name, (sent - began) / millions, target: Self.ratio)
    figures.record(
      prefix + "ingest to settled, CPU s per million \(noun)s", name, (settled - began) / millions, target: Self.ratio)
    figures.record(prefix + "ingest, \(noun)s per second", name, Double(bodies.samples) / wall)
    figures.record(
      prefix + "disk when settled, bytes per \(noun)", name, Double(disk.allocated) / Double(bodies.samples),
      target: .ratio(0.7))
    figures.record(
      prefix + "the same by lengths of files", name, Double(disk.length) / Double(bodies.samples), target: .ratio(0.7))
    figures.record(
      prefix + "anonymous memory after ingest, bytes per series", name, Double(memory) / Double(fleet.slots))
    figures.record(
      prefix + "anonymous memory when settled, bytes per series", name,
      Double(server.figures.anonymousBytes) / Double(fleet.slots), target: .ratio(0.5))
    return server
  }

  /// The same for a load whose first round is all new series: each round by itself, so that one sees which bears a flush.
  func runRoundsApart(_ contestant: Contestant, into figures: inout FigureTable) throws -> RunningServer {
    let server = try RunningServer(contestant, root: options.folder)
    let name = contestant.name
    let series = Double(fleet.slots)
    let began = server.figures.cpuSeconds
    for round in 0..<fleet.rounds {
      let before = server.figures.cpuSeconds
      try send(round..<round + 1, server, &figures)
      let microseconds = (server.figures.cpuSeconds - before) / series * 1e6
      figures.record(
        round == 0 ? "new series with its first sample, CPU us" : "its sample \(round + 1), CPU us", name, microseconds,
        target: round == 0 ? .ratio(0.3) : Self.ratio)
    }
    let memory = server.figures.anonymousBytes
    if let remark = try Settling(server: server).run() { figures.note(remark) }
    let settled = server.figures.cpuSeconds
    let disk = server.disk
    figures.record(
      "all to settled, CPU s per million samples", name, (settled - began) / Double(bodies.samples) * 1e6,
      target: Self.ratio)
    figures.record(
      "anonymous memory after ingest, bytes per series", name, Double(memory) / series, target: .ratio(0.5))
    figures.record(
      "anonymous memory when settled, bytes per series", name, Double(server.figures.anonymousBytes) / series,
      target: .ratio(0.5))
    figures.record("disk when settled, bytes per series", name, Double(disk.allocated) / series, target: .ratio(0.7))
    return server
  }

  private func send(_ rounds: Range<Int>, _ server: RunningServer, _ figures: inout FigureTable) throws {
    let progress = Sender(bodies, to: server).send(rounds: rounds, connections: connections)
    if let failure = progress.failure { throw BenchmarkError("\(server.contestant.name): \(failure)") }
    if progress.retries > 0 {
      figures.note("\(server.contestant.name) refused \(progress.retries) writes as too busy, which were sent again")
    }
  }
}
