/// The one message of a unary call, as it lies in the body of an HTTP/2 request or response: a flag that says whether it
/// is compressed, its length in four bytes, and its bytes.
///
/// Source: "gRPC over HTTP2", Length-Prefixed-Message.
struct GRPCMessage: Hashable, Sendable {
  /// The bytes before a message.
  static let prefixBytes = 5

  /// Whether `bytes` are compressed as the header `grpc-encoding` says.
  var isCompressed: Bool
  var bytes: [UInt8]

  /// Takes a body apart.
  ///
  /// Throws `GRPCStatus` where it is not exactly one message.
  init(body: consuming [UInt8]) throws(GRPCStatus) {
    guard body.count >= Self.prefixBytes else { throw GRPCStatus(.invalidArgument, "a message was expected") }
    guard body[0] <= 1 else {
      throw GRPCStatus(.invalidArgument, "the flag ahead of the message is \(body[0]), neither 0 nor 1")
    }
    let length = body[1..<Self.prefixBytes].reduce(0) { $0 << 8 | Int($1) }
    let rest = body.count - Self.prefixBytes
    guard length <= rest else {
      throw GRPCStatus(.invalidArgument, "the message ends after \(rest) of \(length) bytes")
    }
    guard length == rest else { throw GRPCStatus(.invalidArgument, "one message was expected, not several") }
    isCompressed = body[0] == 1
    body.removeFirst(Self.prefixBytes)
    bytes = body
  }

  /// A message, not compressed, framed for a response's body.
  ///
  /// Responses of the services here are a few bytes, far from the length's limit of four bytes.
  static func framed(_ message: [UInt8]) -> [UInt8] {
    let length = UInt32(clamping: message.count)
    return [0] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + message
  }
}
