import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NeedletailOTLP
import Testing

@testable import NeedletailNode

@Suite("OTLP over gRPC")
struct ServerGRPCTests {
  private static let services: [(OTLPSignal, String)] = [
    (.metrics, "opentelemetry.proto.collector.metrics.v1.MetricsService"),
    (.traces, "opentelemetry.proto.collector.trace.v1.TraceService"),
    (.logs, "opentelemetry.proto.collector.logs.v1.LogsService"),
  ]

  /// Calls `Export` once; the bytes of the answer.
  private static func export(
    _ service: String, _ body: [UInt8], port: Int, metadata: Metadata = [:], compression: CompressionAlgorithm? = nil
  ) async throws -> [UInt8] {
    try await withGRPCClient(
      transport: .http2NIOPosix(
        target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext,
        config: .defaults { $0.compression.enabledAlgorithms = .gzip })
    ) { client in
      var options = CallOptions.defaults
      options.compression = compression
      return try await client.unary(
        request: ClientRequest(message: body, metadata: metadata),
        descriptor: MethodDescriptor(fullyQualifiedService: service, method: "Export"),
        serializer: RawBytesSerializer(), deserializer: RawBytesDeserializer(), options: options
      ) { try $0.message }
    }
  }

  @Test("every signal is taken, plain and with gzip, and comes back from the query APIs")
  func signals() async throws {
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    let nanoseconds = now * 1_000_000
    let json: [[UInt8]] = [
      OTLPBodies.gauge("temperature", service: "shop", value: 3, at: nanoseconds),
      OTLPBodies.span("GET /", service: "shop", start: nanoseconds, end: nanoseconds + 1000),
      OTLPBodies.log("over gRPC", service: "shop", at: nanoseconds),
    ]
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let port = try #require(server.addresses.otlpGRPC).port
      for ((signal, service), body) in zip(Self.services, json) {
        let protobuf = try OTLPBodies.protobuf(body, signal)
        #expect(try await Self.export(service, protobuf, port: port).isEmpty)
        #expect(try await Self.export(service, protobuf, port: port, compression: .gzip).isEmpty)
        #expect(try await Self.export(service, [], port: port).isEmpty)
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
      for (_, service) in Self.services {
        let error = await #expect(throws: RPCError.self) {
          try await Self.export(service, [0x0a, 0x7f, 0x01], port: port)
        }
        #expect(error?.code == .invalidArgument && error?.message.isEmpty == false, "\(String(describing: error))")
        let tenant = await #expect(throws: RPCError.self) {
          try await Self.export(service, [], port: port, metadata: ["x-scope-orgid": "a/b"])
        }
        #expect(tenant?.code == .invalidArgument)
      }
    }
  }
}
