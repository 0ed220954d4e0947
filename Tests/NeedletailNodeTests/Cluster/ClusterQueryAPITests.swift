import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOEmbedded
import NeedletailCluster
import NeedletailEnvironment
import NeedletailEvents
import NeedletailOTLP
import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("The query APIs over a cluster")
struct ClusterQueryAPITests {
  private final class Writer: ResponseBodyWriter {
    let bytes = Lock<[UInt8]>([])

    func write(_ buffer: ByteBuffer) async throws { bytes.withLock { $0 += buffer.readableBytesView } }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
  }

  private struct Answer {
    var status: Int
    var coverage: String?
    var bytes: [UInt8]

    var text: String { String(decoding: bytes, as: UTF8.self) }

    func json() throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }
  }

  private static func get(_ node: ReadNode, _ path: String, accept: String? = nil, alone: Bool = false) async throws
    -> Answer
  {
    var headers = HTTPFields()
    headers[.accept] = accept
    let request = Request(
      head: HTTPRequest(method: .get, scheme: "http", authority: "x", path: path, headerFields: headers),
      body: RequestBody(buffer: ByteBuffer()))
    let route = try #require(Route(path: path.prefix { $0 != "?" }))
    let context = ConnectionContext(channel: NIOAsyncTestingChannel(), watch: nil)
    let queries = alone ? node.queries : node.queries.over(node.reads)
    let response: Response
    switch route {
    case .prometheus(let route):
      response = try await PrometheusAPI(queries: queries, status: node.status)
        .respond(to: route, request, context, tenant: .default)
    case .loki(let route):
      response = try await LokiAPI(queries: queries).respond(to: route, request, context, tenant: .default)
    case .tempo(let route):
      response = try await TempoAPI(queries: queries).respond(to: route, request, context, tenant: .default)
    default: throw QueryError(.notFound, path)
    }
    let writer = Writer()
    try await response.body.write(writer)
    return Answer(
      status: response.status.code, coverage: response.headers[.coverage],
      bytes: writer.bytes.withLock { $0 })
  }

  @Test("how sure an answer has to be comes with the question, and how whole it is goes with the answer")
  func options() async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome(4)
      let node = cluster.nodes[0]
      let query = "/api/v1/query?query=m&time=\(ReadCluster.start / 1000 + 300)"
      let whole = try await Self.get(node, query)
      #expect(whole.status == 200 && whole.coverage?.hasPrefix("slots=1024/1024 replicas=2/3 partial=false") == true)
      #expect(!whole.text.contains("warnings"))
      #expect(try await Self.get(node, query + "&consistency=all").coverage?.contains("replicas=3/3") == true)
      #expect(try await Self.get(node, "/api/v1/labels").coverage?.contains("partial=false") == true)
      #expect(try await Self.get(node, "/loki/api/v1/labels").coverage?.contains("partial=false") == true)
      let none = try await Self.get(node, "/tempo/api/traces/0af7651916cd43dd8448eb211c80319c")
      #expect(none.status == 404 && none.text.contains("not found") && none.coverage?.contains("partial=false") == true)
      for wrong in ["consistency=two", "partial=perhaps"] {
        let refused = try await Self.get(node, query + "&" + wrong)
        #expect(refused.status == 400 && refused.text.contains("bad_data") && refused.coverage == nil)
      }
      cluster.cut(1)
      cluster.cut(2)
      let failed = try await Self.get(node, query)
      #expect(failed.status == 503 && failed.text.contains(#""errorType":"unavailable""#))
      #expect(failed.text.contains("node-1") && failed.text.contains("node-2"))
      let partial = try await Self.get(node, query + "&partial=allow")
      #expect(partial.status == 200 && partial.coverage?.contains("partial=true") == true)
      #expect(partial.text.contains("the answer is incomplete: too few ready replicas answered for 1024 of 1024 slots"))
      #expect(try await Self.get(node, query + "&consistency=one").status == 200)
    }
  }

  @Test(
    "every answer tells in its body how whole it is too",
    arguments: [
      "/api/v1/query?query=m&time=\(ReadCluster.start / 1000 + 300)", "/api/v1/labels", "/api/v1/label/job/values",
      "/api/v1/query_range?query=m&start=\(ReadCluster.start / 1000)&end=\(ReadCluster.start / 1000 + 300)&step=60",
      "/api/v1/query?query=m&stats=all&time=\(ReadCluster.start / 1000 + 300)", "/api/v1/series?match[]=m",
      "/api/v1/query_exemplars?query=m", "/api/v1/metadata", "/loki/api/v1/labels", "/loki/api/v1/series",
      "/loki/api/v1/label/job/values", "/loki/api/v1/query_range?query=%7Bjob%3D%22a%22%7D",
      "/loki/api/v1/query?query=count_over_time(%7Bjob%3D%22a%22%7D%5B5m%5D)", "/tempo/api/search",
    ])
  func bodies(path: String) async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome(4)
      for isCut in [false, true] {
        if isCut { [1, 2].forEach { cluster.cut($0) } }
        let answer = try await Self.get(
          cluster.nodes[0], path + (path.contains("?") ? "&" : "?") + "partial=allow")
        let coverage = try #require(try answer.json()["coverage"] as? [String: Any])
        let (slots, whole) = (coverage["slots"] as? Int, coverage["whole"] as? Int)
        let (agreed, replicas) = (coverage["agreed"] as? Int, coverage["replicas"] as? Int)
        #expect(coverage["partial"] as? Bool == isCut && slots == 1024 && whole == (isCut ? 0 : 1024))
        #expect(agreed == (isCut ? 1 : 2) && replicas == 3)
        #expect(answer.coverage?.hasPrefix("slots=\(isCut ? 0 : 1024)/1024 replicas=\(isCut ? 1 : 2)/3 ") == true)
        // What has no end is not told of one.
        let (start, end) = (coverage["start"] as? Int, coverage["end"] as? Int)
        if path.contains("time=") { #expect(end.map { $0 - (start ?? 0) } == 3600) }
        if path.contains("metadata") || path.contains("search") { #expect(start == nil && end == nil) }
      }
      let alone = try await Self.get(cluster.single, path, alone: true)
      #expect(try alone.json()["coverage"] == nil && alone.coverage == nil)
    }
  }

  @Test("a trace of which something may be missing says so in Tempo's words, and one that is not found too")
  func partialTrace() async throws {
    let id = "0af7651916cd43dd8448eb211c80319c"
    try await ReadCluster.run { cluster in
      let traceID = try #require(TraceID(hexadecimal: id))
      var builder = EventBatchBuilder(kind: .spans, tenant: .default)
      let stream = builder.stream(EventStream(resource: [Attribute("service.name", .string("s"))], scopeName: ""))
      builder.append(
        SpanRecord(
          traceID: traceID, spanID: SpanID(1), name: "op",
          startNanoseconds: ReadCluster.start * 1_000_000, endNanoseconds: ReadCluster.start * 1_000_000 + 1),
        stream: stream)
      let batch = builder.build(batchID: Hash128(high: 9, low: 9))
      for node in cluster.nodes { try await node.append(try #require(batch)) }
      let node = cluster.nodes[0]
      let whole = try await Self.get(node, "/tempo/api/v2/traces/" + id).json()
      #expect((whole["trace"] as? [String: Any])?["resourceSpans"] != nil && whole["status"] == nil)
      let bare = try await Self.get(node, "/tempo/api/traces/" + id).json()
      #expect(bare["resourceSpans"] != nil && bare["coverage"] != nil && bare["status"] == nil)
      let accept = "application/protobuf"
      let told = try await Self.get(node, "/tempo/api/v2/traces/" + id, accept: accept)
      let trace = try await Self.get(node, "/tempo/api/traces/" + id, accept: accept)
      #expect(try Self.fields(told.bytes) == [1: trace.bytes])
      [1, 2].forEach { cluster.cut($0) }
      let message = "too few ready replicas answered for 1024 of 1024 slots"
      for path in ["/tempo/api/v2/traces/\(id)", "/tempo/api/traces/\(id)", "/tempo/api/search"] {
        let answer = try await Self.get(node, path + "?partial=allow").json()
        #expect(answer["status"] as? String == "PARTIAL")
        #expect((answer["message"] as? String)?.hasPrefix(message) == true)
      }
      let lacking = try await Self.get(node, "/tempo/api/v2/traces/\(id)?partial=allow", accept: accept)
      let fields = try Self.fields(lacking.bytes)
      #expect(fields[1] == trace.bytes && fields[3] == [1])
      #expect(String(decoding: fields[4] ?? [], as: UTF8.self).hasPrefix(message))
      let none = try await Self.get(node, "/tempo/api/traces/\(id.dropLast())0?partial=allow")
      #expect(none.status == 404 && none.text.contains("not found, but \(message)"))
    }
  }

  /// The fields of a message: bytes of those that have some, one byte for numbers.
  private static func fields(_ bytes: [UInt8]) throws -> [UInt32: [UInt8]] {
    var fields: [UInt32: [UInt8]] = [:]
    try bytes.withUnsafeBytes { bytes in
      var reader = ProtobufReader(bytes)
      while let tag = try reader.nextTag() {
        fields[UInt32(tag >> 3)] = tag & 7 == 0 ? [UInt8(try reader.readVarint())] : Array(try reader.readBytes())
      }
    }
    return fields
  }

  @Test("a query that may not go ahead never runs on an event loop, and none is answered from steps that were kept")
  func threads() async throws {
    try await ReadCluster.run { cluster in
      try await cluster.appendSome(4)
      let queries = cluster.nodes[0].queries.over(cluster.nodes[0].reads)
      let shape = QueryShape(kind: .labelNames, tenant: .default, texts: [])
      for _ in 0..<3 {
        let context = ConnectionContext(channel: NIOAsyncTestingChannel(), watch: nil)
        let isInPlace = try await queries.run(for: context, shape) { _ in InMemoryRun.current != nil }
        #expect(!isInPlace)
      }
      #expect(queries.engine(timeout: nil).series.changeMark == nil)
    }
  }
}
