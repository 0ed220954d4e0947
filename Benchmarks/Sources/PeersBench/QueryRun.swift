import BenchmarkSupport
import Foundation

/// Asks servers that hold the same data the same questions in turn, and compares what they answer and what it cost.
struct QueryRun {
  /// What asking one server many times gave.
  struct Cost {
    var milliseconds: Double
    var cpuMilliseconds: Double
    var answer: [UInt8]
  }

  let servers: [RunningServer]
  let options: Options
  let endSeconds: Int

  /// What a server answers when it is asked once.
  func answer(_ shape: QueryShape, _ server: RunningServer) throws -> Answer {
    let received = try Connection(port: server.port).get(
      shape.request(endSeconds: endSeconds, repetition: 0, extra: ""))
    guard received.status == 200, let answer = Answer(received.bytes) else {
      throw BenchmarkError("answer \(received.status): \(received.text.prefix(160))")
    }
    return answer
  }

  /// So many times servers take turns with a shape: what else the machine does, and how deep its processors sleep, is
  /// the same for all of them then.
  private static let turns = 8
  /// No shape is asked for more often of one server.
  private static let repetitionsMax = 300

  /// What one server has been asked of a shape so far.
  private struct Asking {
    let server: RunningServer
    let extra: String
    let connection: Connection
    let answer: [UInt8]
    var walls: [Double] = []
    var cpuSeconds = 0.0

    var cost: Cost {
      Cost(
        milliseconds: walls.median ?? .nan, cpuMilliseconds: cpuSeconds * 1_000 / Double(walls.count), answer: answer)
    }
  }

  /// Repeats a request for the options' time, at least `fewest` times, after one that warms up: every server in turn,
  /// several times, each a part of the time. What failed is told and left out.
  func costs(
    _ shape: QueryShape, first: Int = 0, fewest: Int = 5
  ) -> (costs: [String: Cost], notes: [String]) {
    var notes: [String] = []
    var askings: [Asking] = []
    for turn in servers.indices {
      let server = servers[(turn + first) % servers.count]
      do { askings.append(try begin(shape, server)) } catch {
        notes.append("\(shape.name), \(server.contestant.name): \(error)")
      }
    }
    for turn in 0..<Self.turns {
      for index in askings.indices.reversed() {
        do { try ask(shape, &askings[index], fewest: (fewest * (turn + 1) + Self.turns - 1) / Self.turns) } catch {
          notes.append("\(shape.name), \(askings[index].server.contestant.name): \(error)")
          askings.remove(at: index)
        }
      }
    }
    return (Dictionary(askings.map { ($0.server.contestant.name, $0.cost) }) { $1 }, notes)
  }

  /// The same of one server, in one go.
  func cost(_ shape: QueryShape, _ server: RunningServer, fewest: Int = 5) throws -> Cost {
    var asking = try begin(shape, server)
    try ask(shape, &asking, fewest: fewest, turns: 1)
    return asking.cost
  }

  private func begin(_ shape: QueryShape, _ server: RunningServer) throws -> Asking {
    let keepsAnswers = server.contestant.name != "prometheus"
    let extra = keepsAnswers && !options.usesCaches ? "&nocache=1" : ""
    let connection = try Connection(port: server.port)
    let first = try connection.get(shape.request(endSeconds: endSeconds, repetition: 0, extra: extra))
    guard first.status == 200 else { throw BenchmarkError("answer \(first.status): \(first.text.prefix(160))") }
    return Asking(server: server, extra: extra, connection: connection, answer: first.bytes)
  }

  /// One server's turn of so many, after which it was asked `fewest` times at least in all.
  private func ask(_ shape: QueryShape, _ asking: inout Asking, fewest: Int, turns: Int = Self.turns) throws {
    let mostNow = asking.walls.count + Self.repetitionsMax / turns
    let cpu = asking.server.figures.cpuSeconds
    let clock = ContinuousClock()
    let end = clock.now + .microseconds(options.queryMilliseconds * 1_000 / turns)
    while asking.walls.count < fewest || (clock.now < end && asking.walls.count < mostNow) {
      let request = shape.request(endSeconds: endSeconds, repetition: asking.walls.count + 1, extra: asking.extra)
      let begin = clock.now
      let answer = try asking.connection.get(request)
      asking.walls.append((clock.now - begin) / .milliseconds(1))
      guard answer.status == 200 else { throw BenchmarkError("answer \(answer.status)") }
    }
    asking.cpuSeconds += asking.server.figures.cpuSeconds - cpu
  }

  /// All shapes, as a table with geometric means; the means go into the figures as well.
  func run(_ shapes: [QueryShape], into figures: inout FigureTable) -> (table: Table, notes: [String]) {
    let names = servers.map(\.contestant.name)
    var table = Table(
      ["query"] + names.map { "p50 ms " + $0 } + names.map { "CPU ms " + $0 }
        + ["p50 N/VM", "CPU N/VM", "needletail answers", "VM answers"])
    var notes: [String] = []
    var walls: [[Double]] = []
    var cpus: [[Double]] = []
    for server in servers where !server.figures.resetPeak() {
      notes.append("\(server.contestant.name): the peak of its memory is that since its start")
    }
    for (index, shape) in shapes.enumerated() {
      let (costs, failures) = costs(shape, first: index)
      notes += failures
      let wall = names.map { costs[$0]?.milliseconds ?? .nan }
      let cpu = names.map { costs[$0]?.cpuMilliseconds ?? .nan }
      // Means are over the shapes that all could answer.
      if costs.count == names.count {
        walls.append(wall)
        cpus.append(cpu)
      }
      let verdicts = ["needletail", "victoria-metrics"].map { verdict($0, costs, shape, &notes) }
      table.add(
        [shape.name] + (wall + cpu).map { Table.number($0) }
          + [
            ratio(costs["needletail"]?.milliseconds, costs["victoria-metrics"]?.milliseconds),
            ratio(costs["needletail"]?.cpuMilliseconds, costs["victoria-metrics"]?.cpuMilliseconds),
          ] + verdicts)
    }
    let wallMeans = names.indices.map { column in walls.map { $0[column] }.geometricMean }
    let cpuMeans = names.indices.map { column in cpus.map { $0[column] }.geometricMean }
    let own = names.firstIndex(of: "needletail")
    let peer = names.firstIndex(of: "victoria-metrics")
    table.add(
      ["geometric mean of \(walls.count)"] + (wallMeans + cpuMeans).map { Table.number($0) }
        + [wallMeans, cpuMeans].map { means in ratio(own.flatMap { means[$0] }, peer.flatMap { means[$0] }) })
    for server in servers {
      figures.record(
        "queries: peak resident memory, MB", server.contestant.name,
        Double(server.figures.peakResidentBytes) / 1e6, target: .ratio(0.5))
    }
    for (name, column) in zip(names, names.indices) {
      figures.record("queries: geometric mean of p50, ms", name, wallMeans[column], target: .ratio(0.5))
      figures.record("queries: geometric mean of CPU, ms", name, cpuMeans[column], target: .ratio(0.5))
    }
    return (table, notes)
  }

  private func ratio(_ own: Double?, _ peer: Double?) -> String {
    Table.number(own.flatMap { own in peer.map { own / $0 } })
  }

  /// Whether a server answers as Prometheus does; differences in full go to the notes.
  private func verdict(
    _ name: String, _ costs: [String: Cost], _ shape: QueryShape, _ notes: inout [String]
  ) -> String {
    guard let cost = costs[name], let reference = costs["prometheus"] else { return "-" }
    guard let answer = Answer(cost.answer), let wanted = Answer(reference.answer) else {
      notes.append("\(shape.name), \(name): an answer cannot be read")
      return "unreadable"
    }
    guard let difference = answer.difference(from: wanted) else { return "equal" }
    let withoutNames = Answer(cost.answer, droppingNames: true)
    let other = Answer(reference.answer, droppingNames: true)
    if let withoutNames, let other, withoutNames.series.count == answer.series.count,
      withoutNames.difference(from: other) == nil
    {
      notes.append("\(shape.name), \(name): equal but for the name of the metric")
      return "equal but names"
    }
    let reason = name == "victoria-metrics" ? shape.difference : shape.ownDifference
    notes.append("\(shape.name), \(name): \(difference)" + (reason.map { " (expected: \($0))" } ?? ""))
    return reason == nil ? "DIFFER" : "differ, expected"
  }
}
