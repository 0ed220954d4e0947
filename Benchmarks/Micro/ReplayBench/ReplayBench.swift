// What opening a log takes: seconds a GB of log, of wall time, of this thread's CPU time and of all threads' together,
// with an engine that applies what is in it and with one that does nothing.
//
//   NEEDLETAIL_BENCH=1 NEEDLETAIL_ONLY=ReplayBench swift build -c release
//   .build/release/ReplayBench [MB] [SERIES] [rows=ROWS]
//
// The log is written as the server writes it: a batch of samples a request, one sample a series, the labels ahead of the
// first; the targets of a fleet stamp their samples some milliseconds apart. It was just written, so that the system still
// has it in memory: what a disk takes to read it comes on top.

import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSeries
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@main
enum ReplayBench {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    let numbers = arguments.compactMap { Int($0) }
    let megabytes = numbers.first ?? 256
    let series = numbers.count > 1 ? numbers[1] : 40_000
    let rows = arguments.compactMap { $0.hasPrefix("rows=") ? Int($0.dropFirst(5)) : nil }
    for rows in rows.isEmpty ? [2_000, 10_000] : rows {
      let log = try await WrittenLog(megabytes: megabytes, series: series, rows: rows)
      defer { log.remove() }
      print("\(log.bytes / 1_000_000) MB of log, \(log.samples) samples of \(series) series, \(rows) a batch")
      try report("the log alone", log) { try log.open(applying: false) }
      try report("replay", log) { try log.open(applying: true) }
    }
  }

  /// Opens a log several times and prints the best and the middle.
  private static func report(_ name: String, _ log: WrittenLog, _ body: () throws -> Times) throws {
    var all: [Times] = []
    for _ in 0..<7 { all.append(try body()) }
    func line(_ kind: String, _ value: (Times) -> Double) -> String {
      let sorted = all.map { value($0) / Double(log.bytes) }.sorted()
      func round(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
      return "\(kind) \(round(sorted[0])) (median \(round(sorted[sorted.count / 2])))"
    }
    print(
      "\(name), s/GB: \(line("wall", \.wall)), \(line("CPU of the thread", \.thread)),"
        + " \(line("CPU of all", \.process))")
  }
}

/// What something took, in ns.
struct Times {
  var wall: Double
  var thread: Double
  var process: Double

  /// What `body` takes.
  static func of(_ body: () throws -> Void) rethrows -> Times {
    let clocks = [CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID]
    let before = clocks.map(read)
    try body()
    let took = zip(clocks.map(read), before).map { $0 - $1 }
    return Times(wall: took[0], thread: took[1], process: took[2])
  }

  private static func read(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
}
