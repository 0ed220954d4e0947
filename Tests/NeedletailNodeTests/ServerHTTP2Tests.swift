import Foundation
import Testing

@testable import NeedletailNode

@Suite("HTTP/2")
struct ServerHTTP2Tests {
  private func query(_ server: RunningServer) -> String {
    "http://127.0.0.1:\(server.addresses.api.port)/api/v1/query"
  }

  @Test("the API answers over HTTP/2 without TLS as it does over HTTP/1.1, also where the request is large")
  func plaintext() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let padding = String(repeating: "a", count: 700_000)
      for body in ["query=1%2B1&time=10", "query=1%2B1&time=10&x=\(padding)"] {
        let answers = [
          try await Curl.send(query(server), Array(body.utf8), options: ["--http2-prior-knowledge"]),
          try await Curl.send(query(server), Array(body.utf8), options: ["--http1.1"]),
        ]
        #expect(answers[0].head.hasPrefix("HTTP/2 200") && answers[1].head.hasPrefix("HTTP/1.1 200"))
        #expect(
          answers[0].body == answers[1].body && String(decoding: answers[0].body, as: UTF8.self).contains("\"2\""))
      }
    }
  }

  @Test("refusals that end a connection of HTTP/1.1 are proper answers over HTTP/2") func refusals() async throws {
    let folder = try TemporaryFolder()
    try Data("0123456789abcdef\n".utf8).write(to: URL(filePath: folder.path + "/tokens"))
    try await RunningServer.run(
      folder: folder, flags: ["token-file": folder.path + "/tokens", "body-bytes-max": "65536"]
    ) { server async throws -> Void in
      let token = "authorization: Bearer 0123456789abcdef"
      let url = "http://127.0.0.1:\(server.addresses.api.port)/v1/logs"
      let large = [UInt8](repeating: 0x20, count: 200_000)
      for (headers, status) in [([], "401"), ([token], "413")] {
        let answer = try await Curl.send(url, large, headers: headers, options: ["--http2-prior-knowledge"])
        #expect(answer.head.hasPrefix("HTTP/2 \(status)") && !answer.body.isEmpty, "\(answer.head)")
        #expect(answer.header("connection") == nil && answer.header("server") == "needletail")
      }
      #expect(try await Curl.send(url, [], headers: [token]).header("connection") == nil)
    }
  }

  @Test(
    "the date is written as HTTP wants it",
    arguments: [
      (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
      (-1, "Wed, 31 Dec 1969 23:59:59 GMT"), (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
    ] as [(Int64, String)])
  func date(seconds: Int64, text: String) { #expect(HTTPDate.text(seconds: seconds) == text) }

  @Test("over TLS the client chooses between HTTP/2 and HTTP/1.1, and gRPC works there too")
  func tls() async throws {
    let folder = try TemporaryFolder()
    let flags = try SelfSigned.settings(in: folder)
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      for (option, version) in [("--http2", "HTTP/2 200"), ("--http1.1", "HTTP/1.1 200")] {
        let answer = try await Curl.send(
          "https://localhost:\(server.addresses.api.port)/api/v1/query", Array("query=1".utf8),
          options: [option, "--cacert", folder.path + "/server.pem"])
        #expect(answer.head.hasPrefix(version), "\(answer.head)")
      }
      let port = try #require(server.addresses.otlpGRPC).port
      let call = try await Curl.send(
        "https://localhost:\(port)/opentelemetry.proto.collector.logs.v1.LogsService/Export", [0, 0, 0, 0, 0],
        headers: ["content-type: application/grpc", "te: trailers"],
        options: ["--http2", "--cacert", folder.path + "/server.pem"])
      #expect(call.grpcStatus == 0, "\(call.head)")
    }
  }

  @Test("a first line that arrives byte by byte, or is neither version, is answered or closed")
  func negotiation() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let port = server.addresses.api.port
      for request in [
        "GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "PRI * HTTP/1.1\r\n\r\n", "\u{1}\r\n\r\n",
      ] {
        let answer = try await Self.sendingSlowly(request, port: port)
        #expect(request.hasPrefix("GET") ? answer.contains("200 OK") : !answer.contains("200 OK"), "\(answer)")
      }
      #expect(try await server.get("/-/ready").status == 200)
    }
  }

  /// What comes back for a request of which every byte is sent alone.
  private static func sendingSlowly(_ request: String, port: Int) async throws -> String {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(
          with: Swift.Result {
            let connection = try HTTPConnection(port: port)
            for byte in request.utf8 { connection.send([byte]) }
            connection.endSending()
            return String(decoding: connection.receiveAll(), as: UTF8.self)
          })
      }
    }
  }
}
