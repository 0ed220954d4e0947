import Foundation
import NeedletailOTLP
import Testing

@testable import NeedletailNode

@Suite("OTLP over gRPC")
struct ServerGRPCTests {
  private static let methods: [(OTLPSignal, String)] = [
    (.metrics, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
    (.traces, "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
    (.logs, "/opentelemetry.proto.collector.logs.v1.LogsService/Export"),
  ]
  private static let emptyAnswer: [UInt8] = [0, 0, 0, 0, 0]

  @Test("every signal is taken on every port, plain and with gzip, and comes back from the query APIs")
  func signals() async throws {
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    let nanoseconds = now * 1_000_000
    let json: [[UInt8]] = [
      OTLPBodies.gauge("temperature", service: "shop", value: 3, at: nanoseconds),
      OTLPBodies.span("GET /", service: "shop", start: nanoseconds, end: nanoseconds + 1000),
      OTLPBodies.log("over gRPC", service: "shop", at: nanoseconds),
    ]
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let addresses = server.addresses
      let ports = [addresses.api.port, try #require(addresses.otlpHTTP).port, try #require(addresses.otlpGRPC).port]
      for port in ports {
        for ((signal, method), body) in zip(Self.methods, json) {
          let protobuf = try OTLPBodies.protobuf(body, signal)
          for answer in [
            try await Curl.grpc(method, protobuf, port: port),
            try await Curl.grpc(
              method, try Gzip.compressed(protobuf), port: port, headers: ["grpc-encoding: gzip"], isCompressed: true),
            try await Curl.grpc(method, [], port: port),
          ] {
            #expect(answer.grpcStatus == 0 && answer.body == Self.emptyAnswer, "\(answer.head)")
            #expect(answer.head.hasPrefix("HTTP/2 200"))
          }
        }
      }
      #expect(try await server.instant("temperature", at: now).values.sorted() == ["3"])
      #expect(try await server.get("/tempo/api/traces/\(OTLPBodies.traceID)").status == 200)
      let logs = try await server.get("/loki/api/v1/query_range?query=%7Bservice_name%3D%22shop%22%7D")
      #expect(logs.text.contains("over gRPC"), "\(logs.text)")
    }
  }

  @Test("bad data is INVALID_ARGUMENT, which no client sends again, and so is a tenant that is none")
  func badData() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let port = try #require(server.addresses.otlpGRPC).port
      for (_, method) in Self.methods {
        let answers = [
          try await Curl.grpc(method, [0x0a, 0x7f, 0x01], port: port),
          try await Curl.grpc(method, [], port: port, headers: ["x-scope-orgid: a/b"]),
          try await Curl.grpc(method, [0, 0, 0], port: port, isFramed: true),
          try await Curl.grpc(method, [0, 0, 0, 0, 9, 1], port: port, isFramed: true),
          try await Curl.grpc(method, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], port: port, isFramed: true),
          try await Curl.grpc(method, [7, 0, 0, 0, 0], port: port, isFramed: true),
          try await Curl.grpc(method, [0, 255, 255, 255, 255], port: port, isFramed: true),
          try await Curl.grpc(method, [1, 2, 3], port: port, headers: ["grpc-encoding: gzip"], isCompressed: true),
        ]
        for answer in answers {
          #expect(answer.grpcStatus == GRPCStatus.Code.invalidArgument.rawValue, "\(answer.head)")
          #expect(answer.header("grpc-message")?.isEmpty == false && answer.body.isEmpty)
          #expect(answer.header("grpc-status-details-bin") == nil)
        }
      }
    }
  }

  @Test("an unknown method and an unknown compression are UNIMPLEMENTED, and the answer says what is known")
  func unknown() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let port = try #require(server.addresses.otlpGRPC).port
      let answers = [
        try await Curl.grpc("/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export", [], port: port),
        try await Curl.grpc("/", [], port: port),
        try await Curl.grpc(
          Self.methods[0].1, [1], port: port, headers: ["grpc-encoding: brotli"], isCompressed: true),
      ]
      for answer in answers {
        #expect(answer.grpcStatus == GRPCStatus.Code.unimplemented.rawValue, "\(answer.head)")
        #expect(answer.header("grpc-accept-encoding") == "identity,gzip,zstd")
      }
    }
  }

  @Test("a message beyond the limit, or that grows beyond it, is RESOURCE_EXHAUSTED")
  func tooLarge() async throws {
    try await RunningServer.run(
      folder: try TemporaryFolder(), flags: ["body-bytes-max": "65536"]
    ) { server async throws -> Void in
      let port = try #require(server.addresses.otlpGRPC).port
      let large = [UInt8](repeating: 0, count: 256 << 10)
      // Each time anew it is open whether curl has the answer before it sent its message: it would wait for ever then, were
      // it not told to send no more.
      for _ in 0..<20 {
        let answer = try await Curl.grpc(Self.methods[2].1, large, port: port)
        #expect(answer.grpcStatus == GRPCStatus.Code.resourceExhausted.rawValue, "\(answer.head)")
      }
      let grown = try await Curl.grpc(
        Self.methods[2].1, try Gzip.compressed(large), port: port, headers: ["grpc-encoding: gzip"],
        isCompressed: true)
      #expect(grown.grpcStatus == GRPCStatus.Code.resourceExhausted.rawValue, "\(grown.head)")
      #expect(try await Curl.grpc(Self.methods[2].1, [], port: port).grpcStatus == 0)
    }
  }

  @Test("what is no unary call over gRPC is answered as HTTP answers it: gRPC-Web, and any method but POST")
  func noCalls() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let url = "http://127.0.0.1:\(server.addresses.api.port)\(Self.methods[0].1)"
      let web = try await Curl.send(url, [0, 0, 0, 0, 0], headers: ["content-type: application/grpc-web+proto"])
      #expect(web.head.hasPrefix("HTTP/1.1 404") && web.grpcStatus == nil, "\(web.head)")
      let head = try await server.request(
        "HEAD", Self.methods[0].1, headers: ["Content-Type": "application/grpc"])
      #expect(head.status == 404)
    }
  }

  @Test("without the token a call is UNAUTHENTICATED")
  func token() async throws {
    let folder = try TemporaryFolder()
    try Data("0123456789abcdef\n".utf8).write(to: URL(filePath: folder.path + "/tokens"))
    try await RunningServer.run(
      folder: folder, flags: ["token-file": folder.path + "/tokens"]
    ) { server async throws -> Void in
      let port = try #require(server.addresses.otlpGRPC).port
      let method = Self.methods[1].1
      #expect(
        try await Curl.grpc(method, [], port: port).grpcStatus == GRPCStatus.Code.unauthenticated.rawValue)
      let answer = try await Curl.grpc(
        method, [], port: port, headers: ["authorization: Bearer 0123456789abcdef"])
      #expect(answer.grpcStatus == 0)
    }
  }

  @Test("what a client may send again carries RetryInfo, and messages are safe in a header")
  func details() {
    let status = GRPCStatus(.unavailable, "a\nb%é", retryAfterSeconds: 7)
    #expect(status.encodedMessage == "a%0Ab%25%C3%A9")
    let details = status.details ?? []
    #expect(String(decoding: details, as: UTF8.self).contains("type.googleapis.com/google.rpc.RetryInfo"))
    #expect(details.suffix(4) == [0x0a, 0x02, 0x08, 7])
    #expect(GRPCStatus(.internal, "x").details == nil)
  }
}
