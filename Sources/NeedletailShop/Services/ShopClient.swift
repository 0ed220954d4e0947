import AsyncHTTPClient
import Logging
import CoreMetrics
import Tracing

/// Calls the shop's services, each call a client span whose context travels in the request's headers.
struct ShopClient: Sendable {
  /// A service did not answer as it should.
  struct CallError: Error, CustomStringConvertible {
    let status: Int
    let target: String
    var description: String { "\(target) answered \(status)" }
  }

  let http: HTTPClient
  let options: ShopOptions
  let logger: Logger

  /// Calls a service and repeats the call when the service fails.
  ///
  /// - Parameters:
  ///   - attempts: how often at most.
  ///   - timeout: of each attempt.
  /// - Returns: the status of the answer, which is below 500.
  func call(
    _ role: ShopRole, _ method: String, _ path: String, attempts: Int = 1, timeout: Duration = .seconds(2)
  ) async throws -> Int {
    var attempt = 0
    while true {
      do {
        return try await callOnce(role, method, path, resend: attempt, timeout: timeout)
      } catch {
        attempt += 1
        if attempt >= attempts { throw error }
        logger.warning(
          "call failed, trying again",
          metadata: ["peer": "\(role.rawValue)", "attempt": .stringConvertible(attempt), "error": "\(error)"])
        Counter(label: "shop.client.retries", dimensions: [("server.service", role.rawValue)]).increment()
        try await Task.sleep(for: .milliseconds(20 << attempt))
      }
    }
  }

  private func callOnce(
    _ role: ShopRole, _ method: String, _ path: String, resend: Int, timeout: Duration
  ) async throws -> Int {
    let url = options.url(of: role) + path
    return try await withSpan(method, ofKind: .client) { span in
      span.updateAttributes { attributes in
        attributes["http.request.method"] = method
        attributes["url.full"] = url
        attributes["server.address"] = "127.0.0.1"
        attributes["server.port"] = options.portBase + (role.portOffset ?? 0)
        if resend > 0 { attributes["http.request.resend_count"] = resend }
      }
      var request = HTTPClientRequest(url: url)
      request.method = .init(rawValue: method)
      InstrumentationSystem.instrument.inject(span.context, into: &request, using: RequestInjector())
      let response = try await http.execute(request, timeout: .init(timeout))
      let status = Int(response.status.code)
      _ = try await response.body.collect(upTo: 1 << 20)
      span.attributes["http.response.status_code"] = status
      if status >= 400 { span.setStatus(SpanStatus(code: .error)) }
      if status >= 500 { throw CallError(status: status, target: role.rawValue) }
      return status
    }
  }

  private struct RequestInjector: Injector {
    func inject(_ value: String, forKey key: String, into request: inout HTTPClientRequest) {
      request.headers.replaceOrAdd(name: key, value: value)
    }
  }
}
