import Foundation
import NeedletailProcesses
import Testing

@Suite("curl", .serialized, .enabled(if: OutsideProgram.isExpected("curl", "gzip", "sh")))
struct CurlTests {
  private func shell(_ command: String) throws -> String {
    let (status, output) = try RunningProcess.run("sh", ["-c", command])
    #expect(status == 0, "\(command): \(output)")
    return output
  }

  @Test("A metric posted as gzipped JSON by curl is there for curl, per tenant, and SIGTERM stops in time")
  func postAndAsk() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let api = "http://127.0.0.1:\(server.port)"
    let base = Int(Date().timeIntervalSince1970 * 1000)
    let body = NumberedTelemetry.metrics(0, base: base - 1000)
    let file = server.folder.appending(path: "body.json")
    try body.write(to: file, atomically: true, encoding: .utf8)
    let posted = try shell(
      """
      gzip -c '\(file.path)' | curl -sS -w ' %{http_code}' -X POST -H 'Content-Type: application/json' \
      -H 'Content-Encoding: gzip' -H 'X-Scope-OrgID: one' --data-binary @- \
      http://127.0.0.1:\(server.otlpHTTPPort)/v1/metrics
      """)
    #expect(posted.hasSuffix(" 200"), "\(posted)")
    let query = "curl -sSG --data-urlencode 'query=count(kill_sample)' \(api)/api/v1/query"
    #expect(try shell(query + " -H 'X-Scope-OrgID: one'").contains("\"5\"]"))
    #expect(try shell(query + " -H 'X-Scope-OrgID: two'").contains("\"result\":[]"))
    #expect(try shell("curl -sS \(api)/metrics").contains("needletail_"))
    #expect(try shell("curl -sS -o /dev/null -w '%{http_code}' -XPOST -d nonsense \(api)/api/v1/write") == "415")
    let begin = ContinuousClock.now
    #expect(server.stop(SIGTERM) == 0)
    #expect(ContinuousClock.now - begin < .seconds(5))
  }
}
