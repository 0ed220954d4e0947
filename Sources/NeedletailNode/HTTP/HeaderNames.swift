import HTTPTypes

extension HTTPField.Name {
  /// `X-Scope-OrgID`: the tenant, as Cortex, Loki, Mimir and Tempo name it.
  static let scopeOrganisation = known("x-scope-orgid")
  static let retryAfter = known("retry-after")
  /// What is to be said of an answer that has no other place for it.
  static let warning = known("warning")
  /// How much of a remote write was stored.
  static let samplesWritten = known("x-prometheus-remote-write-samples-written")
  static let histogramsWritten = known("x-prometheus-remote-write-histograms-written")
  static let exemplarsWritten = known("x-prometheus-remote-write-exemplars-written")
  static let grpcStatus = known("grpc-status")
  static let grpcMessage = known("grpc-message")
  /// `google.rpc.Status` in base64.
  static let grpcStatusDetails = known("grpc-status-details-bin")
  static let grpcEncoding = known("grpc-encoding")
  static let grpcAcceptEncoding = known("grpc-accept-encoding")

  /// A name that is known to be a token; another one would be a mistake in this source.
  static func known(_ name: String) -> HTTPField.Name {
    guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is no header name") }
    return field
  }
}
