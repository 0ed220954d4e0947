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

  @Test("over TLS the client chooses between HTTP/2 and HTTP/1.1, and gRPC works there too")
  func tls() async throws {
    let folder = try TemporaryFolder()
    let flags = try Self.certificate(in: folder)
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      for (option, version) in [("--http2", "HTTP/2 200"), ("--http1.1", "HTTP/1.1 200")] {
        let answer = try await Curl.send(
          "https://localhost:\(server.addresses.api.port)/api/v1/query", Array("query=1".utf8),
          options: [option, "--cacert", folder.path + "/certificate.pem"])
        #expect(answer.head.hasPrefix(version), "\(answer.head)")
      }
      let port = try #require(server.addresses.otlpGRPC).port
      let call = try await Curl.send(
        "https://localhost:\(port)/opentelemetry.proto.collector.logs.v1.LogsService/Export", [0, 0, 0, 0, 0],
        headers: ["content-type: application/grpc", "te: trailers"],
        options: ["--http2", "--cacert", folder.path + "/certificate.pem"])
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

  /// The settings for a certificate of our own for `localhost`, made by OpenSSL.
  private static func certificate(in folder: TemporaryFolder) throws -> [String: String] {
    let (certificate, key) = (folder.path + "/certificate.pem", folder.path + "/key.pem")
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
      + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return ["tls-certificate": certificate, "tls-key": key]
  }
}
