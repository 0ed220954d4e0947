import NeedletailOTLP

/// A method that can be called over gRPC, by its path.
enum GRPCMethod: Hashable, Sendable {
  case export(OTLPSignal)

  private static let collector = "opentelemetry.proto.collector."

  /// The method of a path such as `/opentelemetry.proto.collector.logs.v1.LogsService/Export`; nil where there is none.
  init?(path: some StringProtocol) {
    let parts = Substring(path).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].isEmpty, parts[2] == "Export" else { return nil }
    switch parts[1] {
    case Self.collector + "metrics.v1.MetricsService": self = .export(.metrics)
    case Self.collector + "trace.v1.TraceService": self = .export(.traces)
    case Self.collector + "logs.v1.LogsService": self = .export(.logs)
    default: return nil
    }
  }

  /// The label under which calls are counted.
  var family: String {
    switch self {
    case .export(let signal): "grpc_\(signal.name)"
    }
  }
}
