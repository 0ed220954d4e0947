import Foundation
import NeedletailOTLP
import Testing

@testable import NeedletailNode

/// Bytes that follow from a seed.
private struct SeededBytes {
  var state: UInt64

  mutating func next(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
  }
}

@Suite("A server survives bad input")
struct ServerBadInputTests {
  private static let protobuf = ["Content-Type": "application/x-protobuf"]

  private static func with(_ headers: [String: String], encoding: String) -> [String: String] {
    headers.merging(["Content-Encoding": encoding]) { $1 }
  }

  @Test("truncated, random, wrongly encoded and mislabelled bodies are refused with a reason at every receiver")
  func malformed() async throws {
    let seed = UInt64.random(in: 0 ... .max)
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      var bytes = SeededBytes(state: seed)
      let json = ["Content-Type": "application/json"]
      let whole = OTLPBodies.log("text", service: "s", at: 1_700_000_000_000_000_000)
      for path in ["/v1/metrics", "/v1/traces", "/v1/logs"] {
        var cases: [([String: String], [UInt8])] = [
          (json, Array(whole.dropLast(9))), (json, Array("[1,2".utf8)), (json, []),
          (Self.protobuf, [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), (Self.protobuf, [0x0a, 0x7f, 0x00]),
          (Self.with(Self.protobuf, encoding: "gzip"), bytes.next(100)),
          (Self.with(Self.protobuf, encoding: "zstd"), bytes.next(100)),
          (Self.with(Self.protobuf, encoding: "br"), [1, 2, 3]), (["Content-Type": "text/plain"], whole),
          (json, Array(String(repeating: "[", count: 100_000).utf8)),
        ]
        for size in 0..<8 { cases.append((Self.protobuf, [0x0a] + bytes.next(50 + size * 40))) }
        for (headers, body) in cases {
          let answer = try await server.request("POST", path, headers: headers, body: body)
          // A random body may by chance be a well-formed message.
          let isRandom = headers == Self.protobuf && body.count >= 50
          #expect((400..<500).contains(answer.status) || isRandom, "\(path) seed \(seed): \(answer.status) \(headers)")
          #expect(answer.status < 500, "\(path) seed \(seed): \(answer.text)")
          if answer.status >= 400 { #expect(!answer.body.isEmpty, "\(path) \(headers)") }
        }
      }
      for body in [bytes.next(200), [0xff, 0xff, 0xff, 0xff, 0x7f], Snappy.literal([0x0a, 0x7f]), []] {
        let answer = try await server.request(
          "POST", "/api/v1/write", headers: Self.with(Self.protobuf, encoding: "snappy"), body: body)
        #expect(answer.status == 400 || body.isEmpty, "seed \(seed): \(answer.status) \(answer.text)")
      }
      let other = ["Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"]
      #expect(
        try await server.request(
          "POST", "/api/v1/write", headers: Self.with(other, encoding: "snappy"), body: Snappy.literal([])
        ).status == 415)
      #expect(try await server.get("/-/healthy").status == 200)
    }
  }

  @Test(
    "a body over the limit is refused, whether it says so or not, and remote write says it in a way that ends retries")
  func oversized() async throws {
    try await RunningServer.run(folder: try TemporaryFolder(), flags: ["body-bytes-max": "64KiB"]) {
      server async throws -> Void in
      let large = [UInt8](repeating: 0x20, count: 65 << 10)
      for path in ["/v1/logs", "/v1/traces", "/v1/metrics"] {
        #expect(
          try await server.request("POST", path, headers: ["Content-Type": "application/json"], body: large).status
            == 413)
      }
      #expect(
        try await server.request(
          "POST", "/api/v1/write", headers: Self.with(Self.protobuf, encoding: "snappy"), body: large
        ).status == 400)
      var connection = "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
      connection += "Transfer-Encoding: chunked\r\n\r\n"
      let chunk = Array("8000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x8000) + Array("\r\n".utf8)
      let request = Array(connection.utf8) + chunk + chunk + chunk + chunk
      let port = server.addresses.api.port
      let answer = try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
          continuation.resume(
            with: Swift.Result {
              let connection = try HTTPConnection(port: port)
              connection.send(request)
              return try HTTPAnswer(parsing: connection.receiveAll())
            })
        }
      }
      #expect(answer.status == 413)
    }
  }

  @Test("a small body that unpacks to a huge one is refused")
  func bomb() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      // Snappy's header declares 4 GiB; nothing of the sort may be allocated.
      let declared: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x41]
      let answer = try await server.request(
        "POST", "/api/v1/write", headers: Self.with(Self.protobuf, encoding: "snappy"), body: declared)
      #expect(answer.status == 400, "\(answer.text)")
      #expect(try await server.get("/-/healthy").status == 200)
    }
  }

  @Test("heads that are no HTTP, too long or cut off do no harm")
  func heads() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let port = server.addresses.api.port
      let heads = [
        "\u{0}\u{1}\u{2}\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "GET /-/healthy HTTP/1.1\r\nX: " + String(repeating: "a", count: 100_000) + "\r\n\r\n",
        "GET /" + String(repeating: "a/", count: 5000) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST /v1/logs HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
      ]
      for head in heads {
        let bytes = try await withCheckedThrowingContinuation { continuation in
          Thread.detachNewThread {
            continuation.resume(
              with: Swift.Result {
                let connection = try HTTPConnection(port: port)
                connection.send(Array(head.utf8))
                return connection.receiveAll()
              })
          }
        }
        if let answer = try? HTTPAnswer(parsing: bytes) {
          #expect((400..<500).contains(answer.status), "\(head.prefix(40)): \(answer.status)")
        }
      }
      #expect(try await server.get("/-/healthy").status == 200)
    }
  }
}
