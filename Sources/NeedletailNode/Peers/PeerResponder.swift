import HTTPTypes
import HummingbirdCore
import NeedletailEnvironment

/// The front door for other nodes: calls over HTTP/2 on a port of their own.
struct PeerResponder: Sendable {
  let node: NodeState
  let token: TokenCheck?
  let counters: RequestCounters
  let clock: any WallClock

  /// What somebody is told who took the port for one of clients.
  private static let hint =
    "this port (peer-listen) is for the other nodes of a cluster; clients are served on the ports of listen, otlp-http "
    + "and otlp-grpc"

  func respond(to request: Request, context: ConnectionContext) async -> Response {
    guard GRPCResponder.isCall(request) else { return Response(.notFound, text: Self.hint + "\n") }
    let started = clock.monotonicNanoseconds()
    let method = PeerMethod(path: request.head.path ?? "")
    let answer: Result<PeerAnswer, any Error>
    do { answer = .success(try await self.answer(method, request, context)) } catch { answer = .failure(error) }
    let response = Self.response { writer in
      // Counted when it is known how the call ends, which of many messages is after the last one.
      var status = GRPCStatus.Code?.some(.cancelled)
      defer {
        counters.finished(
          route: method.map { "peer_\($0.rawValue)" } ?? "unknown", status: status?.rawValue ?? 0,
          nanoseconds: clock.monotonicNanoseconds() - started)
      }
      status = try await Self.write(answer, to: writer)?.code
    }
    return context.holdingPlaces(response)
  }

  /// Writes what a call is answered with; the result is how it failed.
  private static func write(
    _ answer: Result<PeerAnswer, any Error>, to writer: any ResponseBodyWriter
  ) async throws -> GRPCStatus? {
    switch answer {
    case .success(let answer): return try await answer.write(to: writer)
    case .failure(let error):
      let failure = (error as? RequestFailure).map { GRPCStatus($0) } ?? GRPCStatus(answering: error)
      try await writer.finish(failure.peerTrailers)
      return failure
    }
  }

  private func answer(
    _ method: PeerMethod?, _ request: Request, _ context: ConnectionContext
  ) async throws -> PeerAnswer {
    guard let method else { throw GRPCStatus(.unimplemented, Self.hint) }
    if let token, !token.accepts(request.headers[.authorization]) {
      throw GRPCStatus(.unauthenticated, "a bearer token is needed in the metadata \"authorization\"")
    }
    guard let services = node.services else {
      throw GRPCStatus(.unavailable, "the node is starting or stopping", retryAfterSeconds: 1)
    }
    return try await services.peers.answer(method, request, context)
  }

  private static func response(
    _ write: @escaping @Sendable (any ResponseBodyWriter) async throws -> Void
  ) -> Response {
    Response(
      status: .ok, headers: [.contentType: "application/grpc"], body: ResponseBody { try await write($0) })
  }
}
