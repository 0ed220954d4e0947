import AsyncHTTPClient
import Foundation
import NIOCore

/// Asks a server under test over HTTP, from any task.
struct ServerClient: Sendable {
  /// One try to connect, so that a server that was killed is noticed at once.
  private static let http: HTTPClient = {
    var configuration = HTTPClient.Configuration()
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  let port: Int
  let otlpHTTPPort: Int

  func get(_ path: String, port: Int? = nil, headers: [String: String] = [:]) async throws -> (status: Int, body: Data)
  {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port ?? self.port)\(path)")
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    return try await execute(request)
  }

  func post(
    _ path: String, _ body: [UInt8], type: String, port: Int? = nil, headers: [String: String] = [:]
  ) async throws -> (status: Int, body: Data) {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port ?? self.port)\(path)")
    request.method = .POST
    request.headers.add(name: "content-type", value: type)
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    request.body = .bytes(ByteBuffer(bytes: body))
    return try await execute(request)
  }

  private func execute(_ request: HTTPClientRequest) async throws -> (status: Int, body: Data) {
    let response = try await Self.http.execute(request, timeout: .seconds(30))
    let body = try await response.body.collect(upTo: 256 << 20)
    return (Int(response.status.code), Data(body.readableBytesView))
  }
}
