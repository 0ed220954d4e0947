import BenchmarkSupport
import Foundation

/// Brings a server to rest: what it holds is flushed, as far as it can be told to, and its background work is over.
struct Settling {
  let server: RunningServer

  /// Flushes and waits; a remark where the server cannot flush.
  func run() throws -> String? {
    var remark: String?
    switch server.contestant.name {
    case "victoria-metrics":
      let answer = try Connection(port: server.port).get("/internal/force_flush")
      if answer.status != 200 { remark = "victoria-metrics: force_flush answered \(answer.status)" }
      // It makes samples visible and leaves them in memory, from where they go to disk some seconds later.
      usleep(10_000_000)
    case "needletail":
      let answer = try Connection(port: server.port).post("/needletail/v1/admin/flush")
      if answer.status / 100 != 2 {
        remark =
          "needletail: admin/flush is not available (\(answer.status)), so its head was not flushed: its settled figures hold the log "
          + "and no part of a flush that had not come by itself"
      }
    default:
      remark = "prometheus cannot flush: settled it still has the last hours in its head, and on disk in the log of it"
    }
    if !waitUntilIdle() {
      remark = (remark.map { $0 + "; " } ?? "") + "\(server.contestant.name) did not come to rest in 90 s"
    }
    return remark
  }

  /// Has VictoriaMetrics merge all it has into one part, which it does not do by itself.
  func forceMerge() throws {
    _ = try Connection(port: server.port).get("/internal/force_merge")
    usleep(500_000)
    _ = waitUntilIdle()
  }

  /// Waits until the server used under 3 % of a core for two seconds, one behind the other; 90 seconds at most.
  private func waitUntilIdle() -> Bool {
    var calm = 0
    for _ in 0..<90 {
      let before = server.figures.cpuSeconds
      usleep(1_000_000)
      calm = server.figures.cpuSeconds - before < 0.03 ? calm + 1 : 0
      if calm == 2 { return true }
    }
    return false
  }
}
