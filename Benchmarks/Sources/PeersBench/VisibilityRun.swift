import BenchmarkSupport
import Foundation

/// How soon after its acknowledgement a new series is in answers.
struct VisibilityRun {
  let servers: [RunningServer]
  let endSeconds: Int

  func run(into figures: inout FigureTable) throws {
    for server in servers {
      for attempt in 0..<3 {
        var labels: [UInt8] = []
        RemoteWriteBody.append(label: "__name__", "bench_visible", to: &labels)
        RemoteWriteBody.append(label: "attempt", "\(attempt)", to: &labels)
        var body = RemoteWriteBody()
        body.append(labels: labels[...], milliseconds: endSeconds * 1_000, value: 1)
        let connection = try Connection(port: server.port)
        let answer = try connection.post(server.contestant.writePath, try body.finish())
        guard answer.status / 100 == 2 else { throw BenchmarkError("a write was answered with \(answer.status)") }
        let begin = ContinuousClock.now
        let query = QueryShape.encoded("bench_visible{attempt=\"\(attempt)\"}")
        let path = "/api/v1/query?query=\(query)&time=\(endSeconds + 1)&nocache=1"
        var seconds: Double?
        while seconds == nil, ContinuousClock.now - begin < .seconds(30) {
          let isVisible = try connection.get(path).text.contains("bench_visible")
          let passed = (ContinuousClock.now - begin) / .seconds(1)
          if isVisible { seconds = passed } else { usleep(2_000) }
        }
        if seconds == nil { figures.note("\(server.contestant.name): a new series was not visible after 30 s") }
        figures.record(
          "new series visible after, s", server.contestant.name, seconds ?? 30, target: .absolute(0.05))
      }
    }
  }
}
