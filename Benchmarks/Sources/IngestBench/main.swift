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

func measure(_ contestant: Contestant) throws -> Measurement {
  let server = try RunningServer(contestant)
  let connection = try Connection(port: contestant.port)
  let cpu = server.cpuSeconds
  var sending = 0.0
  for round in 0..<load.rounds {
    let bodies = load.bodies(round: round, startMilliseconds: start)
    let begin = Date()
    for body in bodies {
      let answer = try connection.post(contestant.writePath, body)
      guard answer.status == 204 || answer.status == 200 else {
        throw BenchmarkError("\(contestant.name) answered \(answer.status): \(answer.body)")
      }
    }
    sending += Date().timeIntervalSince(begin)
  }
  let used = server.cpuSeconds - cpu
  let query = "/api/v1/query?query=count(%7Bjob%3D%22node%22%7D)"
  var count = ""
  for _ in 0..<40 where !count.contains("\"\(load.series)\"") {
    count = (try? Connection(port: contestant.port).get(query).body) ?? ""
    if !count.contains("\"\(load.series)\"") { usleep(500_000) }
  }
  return Measurement(
    cpuSeconds: used, wallSeconds: sending, residentBytes: server.residentBytes, diskBytes: server.diskBytes,
    seriesCount: count.contains("\"\(load.series)\"") ? "all" : "MISSING")
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func fixed(_ value: Double, _ digits: Int) -> String {
  let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
  return "\((value * scale).rounded() / scale)"
}

func padded(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

let contestants = Contestant.all(needletail: CommandLine.arguments[1]).filter {
  FileManager.default.isExecutableFile(atPath: $0.executable)
}
var results: [String: [Measurement]] = [:]
do {
  for _ in 0..<passes {
    for contestant in contestants { results[contestant.name, default: []].append(try measure(contestant)) }
  }
} catch {
  print("ingest-bench: \(error)")
  exit(1)
}

let millions = Double(load.sampleCount) / 1_000_000
print(
  "\(load.sampleCount) samples, \(load.series) series, \(load.samplesPerRequest) a request, 1 connection, \(passes) passes"
)
print("server                CPU s/M   ratio   wall s   samples/s      RSS MiB   disk B/sample  series")
let own = median((results["needletail"] ?? []).map(\.cpuSeconds))
for contestant in contestants {
  let runs = results[contestant.name] ?? []
  let cpu = median(runs.map(\.cpuSeconds))
  let wall = median(runs.map(\.wallSeconds))
  let columns = [
    padded(fixed(cpu / millions, 3), 9), padded(fixed(cpu / own, 2), 8), padded(fixed(wall, 2), 9),
    padded("\(Int(Double(load.sampleCount) / wall))", 12),
    padded(fixed(median(runs.map { Double($0.residentBytes) }) / 1_048_576, 0), 13),
    padded(fixed(median(runs.map { Double($0.diskBytes) }) / Double(load.sampleCount), 2), 16),
    padded(runs.allSatisfy { $0.seriesCount == "all" } ? "all" : "MISSING", 8),
  ]
  print(contestant.name + String(repeating: " ", count: max(0, 20 - contestant.name.count)) + columns.joined())
}
