// OTLP over gRPC: three services with one unary method each, registered with raw bytes, because generated message
// types would cost twenty times what our decoders do.

import GRPCCore
import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry

/// The three `Export` methods of OTLP.
struct OTLPService: RegistrableRPCService {
  let node: NodeState
  let token: TokenCheck?
  let counters: RequestCounters
  let clock: any WallClock

  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    for signal in OTLPSignal.allCases {
      router.registerHandler(
        forMethod: signal.exportMethod, deserializer: RawBytesDeserializer(), serializer: RawBytesSerializer()
      ) { request, _ in
        let started = clock.monotonicNanoseconds()
        let result = await export(signal, request)
        let code = if case .failure(let error) = result { error.code.rawValue } else { 0 }
        counters.finished(
          route: "grpc_\(signal.name)", status: code, nanoseconds: clock.monotonicNanoseconds() - started)
        switch result {
        case .success(let bytes): return StreamingServerResponse(single: ServerResponse(message: bytes))
        case .failure(let error): return StreamingServerResponse(of: [UInt8].self, error: error)
        }
      }
    }
  }

  private func export(
    _ signal: OTLPSignal, _ request: StreamingServerRequest<[UInt8]>
  ) async -> Result<[UInt8], RPCError> {
    do throws(RPCError) {
      let tenant = try Self.tenant(of: request.metadata)
      if let token, !token.accepts(request.metadata[stringValues: "authorization"].first(where: { _ in true })) {
        throw RPCError(code: .unauthenticated, message: "a bearer token is needed in the metadata \"authorization\"")
      }
      let body = try await Self.message(of: request)
      guard let services = node.services else {
        throw RetryLater.error("the server is starting or stopping", seconds: 1)
      }
      return .success(try await services.ingest.export(signal, body, tenant: tenant))
    } catch {
      return .failure(error)
    }
  }

  private static func tenant(of metadata: Metadata) throws(RPCError) -> TenantID {
    guard let name = metadata[stringValues: "x-scope-orgid"].first(where: { _ in true }), !name.isEmpty else {
      return .default
    }
    guard let tenant = TenantID(name) else {
      throw RPCError(
        code: .invalidArgument,
        message: "x-scope-orgid must be 1 to \(TenantID.lengthMax) letters, digits, \"_\" or \"-\"")
    }
    return tenant
  }

  /// The one message of a unary call.
  private static func message(of request: StreamingServerRequest<[UInt8]>) async throws(RPCError) -> [UInt8] {
    do {
      var message: [UInt8]?
      for try await next in request.messages {
        guard message == nil else { throw RPCError(code: .invalidArgument, message: "one message was expected") }
        message = next
      }
      guard let message else { throw RPCError(code: .invalidArgument, message: "a message was expected") }
      return message
    } catch let error as RPCError {
      throw error
    } catch {
      throw RPCError(code: .cancelled, message: "the call ended early")
    }
  }
}

extension OTLPSignal {
  /// The method that exports this signal.
  fileprivate var exportMethod: MethodDescriptor {
    let service =
      switch self {
      case .metrics: "opentelemetry.proto.collector.metrics.v1.MetricsService"
      case .traces: "opentelemetry.proto.collector.trace.v1.TraceService"
      case .logs: "opentelemetry.proto.collector.logs.v1.LogsService"
      }
    return MethodDescriptor(fullyQualifiedService: service, method: "Export")
  }
}
