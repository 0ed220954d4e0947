import BenchmarkSupport
import Foundation

// Ingest beside the peers: the same remote-write bodies, one connection, fresh folders, one server at a time, several passes in turn so
// that the machine's moods fall on all alike. CPU time of the server is the figure; ratios are to Needletail's.
guard CommandLine.arguments.count >= 2 else {
  print("usage: ingest-bench PATH-TO-NEEDLETAIL [SERIES] [SAMPLES-PER-REQUEST] [ROUNDS] [PASSES]")
  exit(64)
}

func argument(_ index: Int, _ fallback: Int) -> Int {
  CommandLine.arguments.count > index ? Int(CommandLine.arguments[index]) ?? fallback : fallback
}

let load = Load(series: argument(2, 40_000), samplesPerRequest: argument(3, 2_000), rounds: argument(4, 50))
let passes = argument(5, 3)
let start = (Int(Date().timeIntervalSince1970) - load.rounds * 15) * 1000

/// What one run of one server gave.
struct Measurement {
  var cpuSeconds: Double
  var wallSeconds: Double
  var residentBytes: Int
  var diskBytes: Int
  var isComplete: Bool
}

func measure(_ contestant: Contestant) throws -> Measurement {
  let server = try RunningServer(contestant)
  let connection = try Connection(port: server.port)
  let cpu = server.figures.cpuSeconds
  var sending = 0.0
  for round in 0..<load.rounds {
    let bodies = try load.bodies(round: round, startMilliseconds: start)
    let begin = Date()
    for body in bodies {
      let answer = try connection.post(contestant.writePath, body)
      guard answer.status == 204 || answer.status == 200 else {
        throw BenchmarkError("\(contestant.name) answered \(answer.status): \(answer.text)")
      }
    }
    sending += Date().timeIntervalSince(begin)
  }
  let used = server.figures.cpuSeconds - cpu
  let query = "/api/v1/query?query=count(%7Bjob%3D%22node%22%7D)"
  var isComplete = false
  for _ in 0..<40 where !isComplete {
    isComplete = (try? Connection(port: server.port).get(query).text.contains("\"\(load.series)\"")) ?? false
    if !isComplete { usleep(500_000) }
  }
  return Measurement(
    cpuSeconds: used, wallSeconds: sending, residentBytes: server.figures.residentBytes,
    diskBytes: server.disk.allocated, isComplete: isComplete)
}

let guards = Cleanup.onSignals(minutesMax: 60)
let contestants = [
  Contestant.needletail(CommandLine.arguments[1]), Contestant.prometheus(), Contestant.victoriaMetrics(),
].filter(\.isInstalled)
var results: [String: [Measurement]] = [:]
do {
  for _ in 0..<passes {
    for contestant in contestants { results[contestant.name, default: []].append(try measure(contestant)) }
  }
} catch {
  Cleanup.run()
  print("ingest-bench: \(error)")
  exit(1)
}

let millions = Double(load.sampleCount) / 1_000_000
print(
  "\(load.sampleCount) samples, \(load.series) series, \(load.samplesPerRequest) a request, 1 connection, \(passes) passes"
)
var table = Table(["server", "CPU s/M", "ratio", "wall s", "samples/s", "RSS MiB", "disk B/sample", "series"])
func middle(_ runs: [Measurement], _ figure: (Measurement) -> Double) -> Double { runs.map(figure).median ?? .nan }
let own = middle(results["needletail"] ?? [], \.cpuSeconds)
for contestant in contestants {
  let runs = results[contestant.name] ?? []
  let cpu = middle(runs, \.cpuSeconds)
  let wall = middle(runs, \.wallSeconds)
  table.add([
    contestant.name, Table.number(cpu / millions), Table.number(cpu / own), Table.number(wall),
    Table.number(Double(load.sampleCount) / wall),
    Table.number(middle(runs) { Double($0.residentBytes) } / 1_048_576),
    Table.number(middle(runs) { Double($0.diskBytes) } / Double(load.sampleCount)),
    runs.allSatisfy(\.isComplete) ? "all" : "MISSING",
  ])
}
print(table.text(markdown: false))
