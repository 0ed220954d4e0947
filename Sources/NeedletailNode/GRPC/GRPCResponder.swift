// gRPC on the HTTP server that is there anyway: a unary call is a POST whose body is one framed message and whose
// outcome stands in the trailers. The messages stay bytes, because our own decoders read them.

import HTTPTypes
import HummingbirdCore
import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import NIOCore

/// Answers gRPC calls that come over HTTP/2.
struct GRPCResponder: Sendable {
  let node: NodeState
  let token: TokenCheck?
  let counters: RequestCounters
  let clock: any WallClock

  private static let contentType = "application/grpc"

  /// Whether a request is a call, to a method that exists or not.
  ///
  /// gRPC-Web, which has its trailers in the body, is none.
  static func isCall(_ request: Request) -> Bool {
    guard request.method == .post, let type = request.headers[.contentType], type.hasPrefix(contentType) else {
      return false
    }
    return ["+", ";", nil].contains(type.dropFirst(contentType.count).first)
  }

  func respond(to request: Request) async -> Response {
    let started = clock.monotonicNanoseconds()
    let method = GRPCMethod(path: request.head.path ?? "")
    let result = await outcome(of: method, request)
    let code = if case .failure(let status) = result { status.code.rawValue } else { 0 }
    counters.finished(
      route: method?.family ?? "unknown", status: code, nanoseconds: clock.monotonicNanoseconds() - started)
    return Self.response(result)
  }

  private func outcome(of method: GRPCMethod?, _ request: Request) async -> Result<[UInt8], GRPCStatus> {
    do {
      guard let method else {
        throw GRPCStatus(.unimplemented, "there is no such method; this server knows OTLP's three Export methods")
      }
      if let token, !token.accepts(request.headers[.authorization]) {
        throw GRPCStatus(.unauthenticated, "a bearer token is needed in the metadata \"authorization\"")
      }
      let tenant = try request.tenant()
      guard let services = node.services else {
        throw GRPCStatus(.unavailable, "the server is starting or stopping", retryAfterSeconds: 1)
      }
      switch method {
      case .export(let signal): return .success(try await services.ingest.export(signal, request, tenant: tenant))
      }
    } catch let status as GRPCStatus {
      return .failure(status)
    } catch let failure as RequestFailure {
      return .failure(GRPCStatus(failure))
    } catch is CancellationError {
      return .failure(GRPCStatus(.unavailable, "the server is stopping", retryAfterSeconds: 1))
    } catch {
      return .failure(GRPCStatus(.cancelled, "the call ended early"))
    }
  }

  /// HTTP says OK whatever the outcome is: the trailers tell it.
  private static func response(_ result: Result<[UInt8], GRPCStatus>) -> Response {
    let body = ResponseBody { writer in
      switch result {
      case .success(let message):
        try await writer.write(ByteBuffer(bytes: GRPCMessage.framed(message)))
        try await writer.finish([.grpcStatus: "0"])
      case .failure(let status):
        try await writer.finish(status.trailers)
      }
    }
    return Response(
      status: .ok, headers: [.contentType: Self.contentType, .grpcAcceptEncoding: "identity,gzip,zstd"], body: body)
  }
}

extension GRPCStatus {
  /// How a response tells it.
  var trailers: HTTPFields {
    var trailers: HTTPFields = [.grpcStatus: String(code.rawValue), .grpcMessage: encodedMessage]
    trailers[.grpcStatusDetails] = details.map { JSONText.base64($0) }
    return trailers
  }

  /// The refusal of a request before it reached a method.
  init(_ failure: RequestFailure) {
    switch failure.status.code {
    case 408: self.init(.deadlineExceeded, failure.message)
    case 413: self.init(.resourceExhausted, failure.message)
    case 503: self.init(.unavailable, failure.message, retryAfterSeconds: 1)
    default: self.init(.invalidArgument, failure.message)
    }
  }
}
