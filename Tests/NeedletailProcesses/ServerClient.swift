import AsyncHTTPClient
import Foundation
import NIOCore

/// Asks a server under test over HTTP, from any task.
package struct ServerClient: Sendable {
  /// One try to connect, so that a server that was killed is noticed at once.
  private static let http: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  package let port: Int
  package let otlpHTTPPort: Int

  package init(port: Int, otlpHTTPPort: Int) { (self.port, self.otlpHTTPPort) = (port, otlpHTTPPort) }

  package func get(
    _ path: String, port: Int? = nil, headers: [String: String] = [:]
  ) async throws -> (status: Int, body: Data) {
    let answer = try await ask(path, port: port, headers: headers)
    return (answer.status, answer.body)
  }

  package func post(
    _ path: String, _ body: [UInt8], type: String, port: Int? = nil, headers: [String: String] = [:]
  ) async throws -> (status: Int, body: Data) {
    let headers = headers.merging(["content-type": type]) { $1 }
    let answer = try await ask(path, isPost: true, body: body, port: port, headers: headers)
    return (answer.status, answer.body)
  }

  /// Any request, and its answer with its headers (by names in lower case); throws where there is none in time.
  package func ask(
    _ path: String, isPost: Bool = false, body: [UInt8] = [], port: Int? = nil, headers: [String: String] = [:],
    seconds: Int64 = 120
  ) async throws -> (status: Int, headers: [String: String], body: Data) {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port ?? self.port)\(path)")
    request.method = isPost ? .POST : .GET
    for (name, value) in headers.sorted(by: { $0.key < $1.key }) { request.headers.add(name: name, value: value) }
    if isPost { request.body = .bytes(ByteBuffer(bytes: body)) }
    let response = try await Self.http.execute(request, timeout: .seconds(seconds))
    let body = try await response.body.collect(upTo: 256 << 20)
    let named = response.headers.map { ($0.name.lowercased(), $0.value) }
    return (
      Int(response.status.code), Dictionary(named) { first, _ in first }, Data(body.readableBytesView)
    )
  }

  /// The `data` of an answer of Prometheus' API.
  package func prometheus(_ path: String, _ parameters: [String: String], port: Int? = nil) async throws -> Any {
    let query = parameters.map { "\($0.key)=\(Self.percentEncoded($0.value))" }.joined(separator: "&")
    let (status, body) = try await get("\(path)?\(query)", port: port)
    guard status == 200, let answer = try JSONSerialization.jsonObject(with: body) as? [String: Any],
      answer["status"] as? String == "success", let data = answer["data"]
    else { throw TestFailure("\(path) answered \(status): \(String(decoding: body.prefix(500), as: UTF8.self))") }
    return data
  }

  /// A text as it stands in a query.
  package static func percentEncoded(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
  }
}
