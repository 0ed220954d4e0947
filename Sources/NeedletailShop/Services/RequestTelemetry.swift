import Hummingbird
import Logging
import CoreMetrics
import Tracing

/// Gives every request a server span that continues the caller's trace, and counts it: rate, errors, duration.
struct RequestTelemetry<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    var traceContext = ServiceContext.topLevel
    InstrumentationSystem.instrument.extract(request.headers, into: &traceContext, using: HeaderCarrier())
    let started = ContinuousClock.now
    return try await withSpan(request.method.rawValue, context: traceContext, ofKind: .server) { span in
      span.attributes["http.request.method"] = request.method.rawValue
      span.attributes["url.path"] = request.uri.path
      var status = 500
      defer { record(request, context, span, status: status, started.duration(to: .now)) }
      do {
        let response = try await next(request, context)
        status = response.status.code
        return response
      } catch let error as any HTTPResponseError {
        status = error.status.code
        throw error
      }
    }
  }

  private func record(
    _ request: Request, _ context: Context, _ span: any Tracing.Span, status: Int, _ duration: Duration
  ) {
    let route = context.endpointPath ?? "unknown"
    span.operationName = "\(request.method.rawValue) \(route)"
    span.attributes["http.route"] = route
    span.attributes["http.response.status_code"] = status
    if status >= 500 { span.setStatus(SpanStatus(code: .error)) }
    let dimensions = [
      ("http.request.method", request.method.rawValue), ("http.route", route),
      ("http.response.status_code", String(status)),
    ]
    CoreMetrics.Timer(label: "http.server.request.duration", dimensions: dimensions)
      .recordNanoseconds(Int64(clamping: duration.nanoseconds))
    Counter(label: "http.server.requests", dimensions: dimensions).increment()
  }
}

/// Carries trace context in HTTP headers.
struct HeaderCarrier: Extractor, Injector {
  private typealias FieldName = HTTPFields.Element.Name

  func extract(key: String, from headers: HTTPFields) -> String? {
    FieldName(key).flatMap { headers[$0] }
  }

  func inject(_ value: String, forKey key: String, into headers: inout HTTPFields) {
    if let name = FieldName(key) { headers[name] = value }
  }
}

extension Duration {
  /// The whole nanoseconds.
  var nanoseconds: Int128 { attoseconds / 1_000_000_000 }
}
