import GRPCCore
import NeedletailOTLP

/// The refusal that OTLP's clients take as "send again later": UNAVAILABLE with `google.rpc.RetryInfo`.
enum RetryLater {
  private static let typeURL = "type.googleapis.com/google.rpc.RetryInfo"

  static func error(_ message: String, seconds: Int) -> RPCError {
    RPCError(
      code: .unavailable, message: message,
      metadata: ["grpc-status-details-bin": .binary(details(message, seconds: seconds))])
  }

  /// `google.rpc.Status { 1: code, 2: message, 3: Any { 1: type URL, 2: RetryInfo { 1: Duration { 1: seconds } } } }`.
  private static func details(_ message: String, seconds: Int) -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, varint: UInt64(RPCError.Code.unavailable.rawValue))
    writer.field(2, string: message)
    writer.field(3) { any in
      any.field(1, string: typeURL)
      any.field(2) { retry in retry.field(1) { $0.field(1, int64: Int64(seconds)) } }
    }
    return writer.bytes
  }
}
