import BenchmarkSupport
import Foundation

/// Kills a server in the middle of a stream, starts it again on its folder and counts what it still has of what it acknowledged.
struct KillRun {
  let contestant: Contestant
  let fleet: Fleet
  let bodies: BodyFile
  let options: Options
  let endSeconds: Int

  func run(into figures: inout FigureTable) throws {
    let server = try RunningServer(contestant, root: options.folder)
    let sender = Sender(bodies, to: server)
    let process = server.figures.identifier
    let began = ContinuousClock.now
    let progress = sender.send(
      rounds: 0..<fleet.rounds, connections: options.connections.max() ?? 1, stopAt: options.killSamples,
      whenStopped: { kill(process, SIGKILL) })
    let streamSeconds = (ContinuousClock.now - began) / .seconds(1)
    server.killHard()
    guard progress.isStopped else {
      throw BenchmarkError(
        "the stream ended before the server was killed: \(progress.failure?.description ?? "too short")")
    }
    var acknowledged = [Int](repeating: 0, count: fleet.targets)
    for index in progress.acknowledged {
      for slot in bodies.entries[index].slots { acknowledged[slot / fleet.templates.count] += 1 }
    }
    let restart = ContinuousClock.now
    try server.start()
    let (lost, seconds) = try settledLoss(server, acknowledged, since: restart)
    figures.record("kill -9: acknowledged samples lost", contestant.name, Double(lost), target: .absolute(0))
    figures.record(
      "kill -9: seconds of stream lost", contestant.name, Double(lost) / Double(progress.samples) * streamSeconds)
    figures.record(
      "kill -9: from restart to the answer that stays, s", contestant.name, seconds, target: .absolute(1))
    figures.record(
      "kill -9: millions of samples acknowledged before", contestant.name, Double(progress.samples) / 1e6)
  }

  /// What is missing, and when the answer that says so was first there: when nothing is missing, or when it was the same for two seconds.
  private func settledLoss(
    _ server: RunningServer, _ acknowledged: [Int], since restart: ContinuousClock.Instant
  ) throws -> (lost: Int, seconds: Double) {
    var last = (lost: Int.max, seconds: 0.0)
    for _ in 0..<200 {
      let present = try? samplesByInstance(server)
      let seconds = (ContinuousClock.now - restart) / .seconds(1)
      if let present {
        let lost = acknowledged.indices.map { max(0, acknowledged[$0] - (present[fleet.name(of: $0)] ?? 0)) }.reduce(
          0, +)
        if lost == 0 { return (0, seconds) }
        if lost != last.lost { last = (lost, seconds) }
      }
      if last.lost != .max, seconds - last.seconds > 2 { return last }
      if seconds > 60 { break }
      usleep(20_000)
    }
    guard last.lost != .max else { throw BenchmarkError("no answer within a minute of the restart") }
    return last
  }

  /// How many samples of each instance the server has, asked metric by metric: counts of several at once could carry the same labels.
  private func samplesByInstance(_ server: RunningServer) throws -> [String: Int] {
    let range = fleet.rounds * Fleet.intervalMilliseconds / 1_000 + 60
    let connection = try Connection(port: server.port)
    var samples: [String: Int] = [:]
    for name in Set(fleet.templates.map(\.name)).sorted() {
      let query = QueryShape.encoded("sum by (instance) (count_over_time(\(name)[\(range)s]))")
      let answer = try connection.get("/api/v1/query?query=\(query)&time=\(endSeconds)&nocache=1")
      guard answer.status == 200, let series = Answer(answer.bytes)?.series else {
        throw BenchmarkError("answer \(answer.status)")
      }
      for (key, values) in series {
        samples[String(key.dropFirst("instance=".count)), default: 0] += Int(values.values.first ?? 0)
      }
    }
    return samples
  }
}
