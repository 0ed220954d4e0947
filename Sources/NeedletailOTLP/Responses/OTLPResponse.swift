// What a receiver answers: the three export responses and google.rpc.Status, in the form in which the request came.

/// Bodies of OTLP responses (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response).
package enum OTLPResponse {
  /// The body of an export response.
  ///
  /// With nothing rejected and no message it is the plain success, without `partial_success`; rejected 0 with a
  /// message is a warning.
  package static func export(
    _ signal: OTLPSignal, rejected: Int = 0, message: String = "", asJSON: Bool
  ) -> [UInt8] {
    guard rejected > 0 || !message.isEmpty else { return asJSON ? Array("{}".utf8) : [] }
    if asJSON {
      let name =
        switch signal {
        case .metrics: "rejectedDataPoints"
        case .traces: "rejectedSpans"
        case .logs: "rejectedLogRecords"
        }
      // 64-bit integers are strings in protobuf's JSON form.
      return Array(
        "{\"partialSuccess\":{\"\(name)\":\"\(rejected)\",\"errorMessage\":\(JSONText.quoted(message))}}".utf8)
    }
    var writer = ProtobufWriter(capacity: message.utf8.count + 16)
    writer.field(1) { writer in
      if rejected > 0 { writer.field(1, int64: Int64(rejected)) }
      if !message.isEmpty { writer.field(2, string: message) }
    }
    return writer.bytes
  }

  /// The body of an error: google.rpc.Status.
  ///
  /// `code` is one of google.rpc.Code, such as 3 for an invalid argument.
  package static func status(code: Int32, message: String, asJSON: Bool) -> [UInt8] {
    if asJSON { return Array("{\"code\":\(code),\"message\":\(JSONText.quoted(message))}".utf8) }
    var writer = ProtobufWriter(capacity: message.utf8.count + 16)
    writer.field(1, int64: Int64(code))
    writer.field(2, string: message)
    return writer.bytes
  }
}
