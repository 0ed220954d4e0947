import CoreMetrics
import HTTPTypes
import Tracing

/// Gives every request a server span that continues the caller's trace, and counts it: rate, errors, duration.
struct RequestTelemetry: Sendable {
  let router: ShopRouter

  /// The status that a request is answered with.
  func respond(to request: HTTPRequest) async -> HTTPResponse.Status {
    var traceContext = ServiceContext.topLevel
    InstrumentationSystem.instrument.extract(request.headerFields, into: &traceContext, using: HeaderCarrier())
    let path = String((request.path ?? "/").prefix { $0 != "?" })
    let match = router.match(request.method, path)
    let started = ContinuousClock.now
    return await withSpan(request.method.rawValue, context: traceContext, ofKind: .server) { span in
      span.attributes["http.request.method"] = request.method.rawValue
      span.attributes["url.path"] = path
      let status: HTTPResponse.Status
      do {
        status = try await match?.handler(match?.parameters ?? [:]) ?? .notFound
      } catch let error as ShopError {
        status = error.status
      } catch {
        span.recordError(error)
        status = .internalServerError
      }
      record(request.method, match?.template ?? "unknown", span, status: status.code, started.duration(to: .now))
      return status
    }
  }

  private func record(
    _ method: HTTPRequest.Method, _ route: String, _ span: any Tracing.Span, status: Int, _ duration: Duration
  ) {
    span.operationName = "\(method.rawValue) \(route)"
    span.attributes["http.route"] = route
    span.attributes["http.response.status_code"] = status
    if status >= 500 { span.setStatus(SpanStatus(code: .error)) }
    let dimensions = [
      ("http.request.method", method.rawValue), ("http.route", route), ("http.response.status_code", String(status)),
    ]
    CoreMetrics.Timer(label: "http.server.request.duration", dimensions: dimensions)
      .recordNanoseconds(Int64(clamping: duration.nanoseconds))
    Counter(label: "http.server.requests", dimensions: dimensions).increment()
  }
}

/// Carries trace context in HTTP headers.
struct HeaderCarrier: Extractor, Injector {
  func extract(key: String, from headers: HTTPFields) -> String? {
    HTTPField.Name(key).flatMap { headers[$0] }
  }

  func inject(_ value: String, forKey key: String, into headers: inout HTTPFields) {
    if let name = HTTPField.Name(key) { headers[name] = value }
  }
}

extension Duration {
  /// The whole nanoseconds.
  var nanoseconds: Int128 { attoseconds / 1_000_000_000 }
}
