import Foundation
import NeedletailEnvironment
import NeedletailTestSupport
import NeedletailWire
import Testing

@testable import NeedletailNode

@Suite("A server that is asked by remote read")
struct ServerRemoteReadTests {
  private let base: Int64 = (Int64(Date().timeIntervalSince1970) - 3600) * 1000

  /// 300 series `m` with 300 samples each, and one of another name.
  private func fill(_ server: RunningServer) async throws {
    var series = (0..<300).map { number in
      TestSeries(
        labels: [("__name__", "m"), ("number", "\(number)")],
        samples: (0..<300).map { (base + 1000 * Int64($0), Double($0 * number)) })
    }
    series.append(TestSeries(labels: [("__name__", "other")], samples: [(base, 7)]))
    #expect(try await server.remoteWrite(series).status < 300)
  }

  private func ask(_ question: RemoteReadQuestion, _ server: RunningServer) async throws -> HTTPAnswer {
    let headers = ["Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"]
    return try await server.request("POST", "/api/v1/read", headers: headers, body: question.body)
  }

  /// Of each result the series' labels and how many samples they have.
  private func results(_ answer: HTTPAnswer) throws -> [[String: Int]] {
    let bytes = try answer.body.withUnsafeBytes {
      try Decompression.decompress(
        $0, coding: .snappy, limits: DecompressionLimits(outputMax: 64 << 20, ratioMax: 1 << 20))
    }
    return try WireTree(bytes).fields.map { field in
      guard case .bytes(let result) = field.value else { return [:] }
      var found: [String: Int] = [:]
      for case .bytes(let series) in try WireTree(result).fields.map(\.value) {
        let parts = try WireTree(series).fields
        let labels = try parts.filter { $0.number == 1 }.map { part -> String in
          guard case .bytes(let label) = part.value else { return "" }
          return try WireTree(label).fields.map { field in
            guard case .bytes(let text) = field.value else { return "" }
            return String(decoding: text, as: UTF8.self)
          }.joined(separator: "=")
        }
        found[labels.joined(separator: ",")] = parts.filter { $0.number == 2 }.count
      }
      return found
    }
  }

  @Test("samples: each query has its result, matchers of all kinds select, both ends of the range count")
  func samples() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      try await fill(server)
      var question = RemoteReadQuestion()
      question.add(base, base + 9_000, [(0, "__name__", "m"), (2, "number", "1|2.")])
      question.add(base + 1, base, [(0, "__name__", "m")])
      question.add(base, base, [(1, "__name__", "m"), (3, "__name__", "needletail_.*")])
      let answer = try await ask(question, server)
      #expect(answer.status == 200 && answer.headers["content-type"] == "application/x-protobuf")
      #expect(answer.headers["content-encoding"] == "snappy")
      let results = try results(answer)
      #expect(results.count == 3 && results[0].count == 11 && results[0].values.allSatisfy { $0 == 10 })
      #expect(results[0]["__name__=m,number=1"] == 10)
      #expect(results[1] == [:] && results[2] == ["__name__=other": 1])
    }
  }

  @Test("chunks: the same samples in frames, series after series in order, from memory and from a part")
  func chunks() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      try await fill(server)
      for isFlushed in [false, true] {
        if isFlushed { #expect(try await server.request("POST", "/needletail/v1/admin/flush").status == 200) }
        var question = RemoteReadQuestion(types: [1, 0])
        question.add(base, .max, [(0, "__name__", "m")])
        question.add(base, .max, [(0, "__name__", "nothing")])
        question.add(base, .max, [(0, "__name__", "other")])
        let answer = try await ask(question, server)
        let type = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
        #expect(answer.status == 200 && answer.headers["content-type"] == type)
        let read = try RemoteReadChunks(answer.body)
        #expect(read.series.count == 301 && read.series.last?.query == 2)
        let numbers = read.series.dropLast().map { $0.labels["number"] ?? "" }
        #expect(numbers == numbers.sorted() && Set(numbers).count == 300)
        for series in read.series.dropLast() {
          let number = Int(series.labels["number"] ?? "") ?? -1
          let floats = try series.floats()
          #expect(floats.map(\.time) == (0..<300).map { base + 1000 * $0 })
          #expect(floats.map(\.value) == (0..<300).map { Double($0 * number) })
        }
      }
    }
  }

  @Test("series come in Prometheus' order also where a label's name comes before the metric's")
  func order() async throws {
    let base = base
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let series = [("a", "Z", "2"), ("b", "Z", "1"), ("c", "y", "0")].map { name, label, value in
        TestSeries(labels: [("__name__", name), (label, value)], samples: [(base, 1)])
      }
      #expect(try await server.remoteWrite(series).status < 300)
      var question = RemoteReadQuestion(types: [1])
      question.add(base, base, [(2, "__name__", "a|b|c")])
      let read = try RemoteReadChunks(try await ask(question, server).body)
      #expect(read.series.map { $0.labels["__name__"] } == ["b", "a", "c"])
    }
  }

  /// Sends something and reads nothing, for as long as it lives.
  private final class Sender: Sendable {
    private let connection: HTTPConnection

    init(port: Int, _ bytes: [UInt8]) throws {
      connection = try HTTPConnection(port: port, receiveBuffer: 4096)
      connection.send(bytes)
    }
  }

  @Test("a stream keeps its place while it is written, and gives it back when the client goes away")
  func abandoned() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      try await fill(server)
      // The same over and over: more than sockets hold.
      var question = RemoteReadQuestion(types: [1])
      for _ in 0..<64 { question.add(base, .max, [(0, "__name__", "m")]) }
      let body = question.body
      let head = "POST /api/v1/read HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n"
      func running() async throws -> Bool {
        try await !server.get("/metrics").text.contains("needletail_queries_running 0\n")
      }
      var sender: Sender? = try Sender(port: server.addresses.api.port, Array(head.utf8) + body)
      let counted = #"needletail_requests_total{route="remote_read",status="200"} 1"#
      while try await !server.get("/metrics").text.contains(counted) {}
      #expect(try await running())
      withExtendedLifetime(sender) {}
      sender = nil
      while try await running() {}
    }
  }

  @Test("what is no request is refused, and limits are errors, not shortened answers")
  func refusals() async throws {
    let flags = ["query-samples-max": "1000"]
    try await RunningServer.run(folder: try TemporaryFolder(), flags: flags) { server async throws -> Void in
      try await fill(server)
      let garbage = try await server.request("POST", "/api/v1/read", body: [1, 2, 3])
      #expect(garbage.status == 400 && garbage.text.contains("not valid snappy"))
      var wrong = RemoteReadQuestion()
      wrong.add(0, 1, [(2, "a", "(")])
      let expression = try await ask(wrong, server)
      #expect(expression.status == 400 && expression.text.contains("invalid regular expression"))
      for types in [[0], [1]] as [[UInt8]] {
        var question = RemoteReadQuestion(types: types)
        question.add(base, .max, [(0, "__name__", "m")])
        let answer = try await ask(question, server)
        #expect(answer.status == 400 && answer.text.contains("1000"), "\(answer.text)")
        var twice = RemoteReadQuestion(types: types)
        for _ in 0..<2 { twice.add(base, .max, [(0, "number", "1")]) }
        #expect(try await ask(twice, server).status == 200, "600 samples are within the limit")
      }
      #expect(try await server.get("/api/v1/read").status == 405)
    }
  }
}
