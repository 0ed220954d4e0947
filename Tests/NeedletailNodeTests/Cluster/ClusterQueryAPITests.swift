import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOEmbedded
import NeedletailCluster
import NeedletailEnvironment
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
    var text: String
  }

  private static func get(_ node: ReadNode, _ path: String) async throws -> Answer {
    let request = Request(
      head: HTTPRequest(method: .get, scheme: "http", authority: "x", path: path),
      body: RequestBody(buffer: ByteBuffer()))
    let route = try #require(Route(path: path.prefix { $0 != "?" }))
    let context = ConnectionContext(channel: NIOAsyncTestingChannel(), watch: nil)
    let queries = node.queries.over(node.reads)
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
      text: String(decoding: writer.bytes.withLock { $0 }, as: UTF8.self))
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
