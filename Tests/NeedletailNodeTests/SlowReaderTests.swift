import Foundation
import Testing

@testable import NeedletailNode

@Suite("Clients that read their answers slowly", .serialized)
struct SlowReaderTests {
  private let now = Int64(Date().timeIntervalSince1970)

  /// Asks for something and reads the answer when it is told to.
  private final class Reader: Sendable {
    private let connection: HTTPConnection

    init(port: Int, path: String) throws {
      connection = try HTTPConnection(port: port, receiveBuffer: 4096)
      connection.send(Array("GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8))
    }

    func readAll() async -> [UInt8] {
      await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: self.connection.receiveAll()) }
      }
    }
  }

  private func fill(_ server: RunningServer) async throws {
    let series = (0..<1000).map { number in
      TestSeries(labels: [("__name__", "wide"), ("n", "\(number)")], samples: [(now * 1000, 1e-300 / 3)])
    }
    #expect(try await server.remoteWrite(series).status == 204)
  }

  /// An answer of some ten megabytes: far more than sockets hold.
  private var path: String {
    "/api/v1/query_range?query=wide&start=\(now)&end=\(now + 290)&step=1"
  }

  /// Counted when an answer is made and its body is about to be written.
  private let answered = #"needletail_requests_total{route="prometheus",status="200"}"#

  private func metric(_ name: String, _ server: RunningServer) async throws -> String? {
    let lines = try await server.get("/metrics").text.split(separator: "\n")
    return lines.first { $0.hasPrefix(name + " ") }.map { String($0.dropFirst(name.count + 1)) }
  }

  @Test(
    "a finished query keeps its place until its answer is read, and the wait of the next counts towards its timeout")
  func held() async throws {
    try await RunningServer.run(folder: try TemporaryFolder(), flags: ["query-concurrency": "1"]) {
      server async throws -> Void in
      try await fill(server)
      let reader = try Reader(port: server.addresses.api.port, path: path)
      while try await metric(answered, server) != "1" {}
      #expect(try await metric("needletail_queries_running", server) == "1")
      let next = try await server.get("/api/v1/query?query=1&timeout=50ms")
      #expect(next.status == 503 && next.text.contains("\"errorType\":\"timeout\""), "\(next.text)")
      let answer = try HTTPAnswer(parsing: await reader.readAll())
      #expect(answer.status == 200 && answer.body.count > 8_000_000)
      #expect(answer.text.hasSuffix("]}}"))
      while try await metric("needletail_queries_running", server) != "0" {}
      #expect(try await server.get("/api/v1/query?query=1").status == 200)
    }
  }

  @Test("who does not read an answer in time loses the connection, and the place is free for others")
  func closed() async throws {
    let flags = ["query-concurrency": "1", "query-timeout": "8s"]
    try await RunningServer.run(folder: try TemporaryFolder(), flags: flags) { server async throws -> Void in
      try await fill(server)
      let reader = try Reader(port: server.addresses.api.port, path: path)
      while try await metric(answered, server) != "1" {}
      while try await metric("needletail_queries_running", server) != "0" {}
      #expect(try await server.get("/api/v1/query?query=1").status == 200)
      let bytes = await reader.readAll()
      #expect(bytes.starts(with: "HTTP/1.1 200".utf8) && bytes.count < 8_000_000)
      #expect(!bytes.suffix(5).elementsEqual("0\r\n\r\n".utf8) && !bytes.suffix(3).elementsEqual("]}}".utf8))
    }
  }

  @Test("a list of labels that nobody reads keeps its place as well")
  func lists() async throws {
    try await RunningServer.run(folder: try TemporaryFolder(), flags: ["query-concurrency": "1"]) {
      server async throws -> Void in
      let filler = String(repeating: "x", count: 1000)
      let series = (0..<10_000).map { number in
        TestSeries(labels: [("__name__", "wide"), ("n", "\(number)\(filler)")], samples: [(now * 1000, 1)])
      }
      #expect(try await server.remoteWrite(series).status == 204)
      let reader = try Reader(port: server.addresses.api.port, path: "/api/v1/label/n/values")
      while try await metric(answered, server) != "1" {}
      #expect(try await metric("needletail_queries_running", server) == "1")
      let answer = try HTTPAnswer(parsing: await reader.readAll())
      #expect(answer.headers["content-length"] == "\(answer.body.count)" && answer.body.count > 10_000_000)
      while try await metric("needletail_queries_running", server) != "0" {}
    }
  }
}
