import NeedletailOTLP

/// How a gRPC call ended, where it did not end well.
///
/// Source: gRPC's status codes, and OTLP's rule that UNAVAILABLE with `google.rpc.RetryInfo` means "send again later".
struct GRPCStatus: Error, Hashable, Sendable {
  /// The codes that this server gives.
  enum Code: Int, Sendable {
    case cancelled = 1
    case invalidArgument = 3
    case deadlineExceeded = 4
    case resourceExhausted = 8
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case unauthenticated = 16
  }

  private static let retryInfoType = "type.googleapis.com/google.rpc.RetryInfo"

  let code: Code
  let message: String
  /// After how many seconds the client may come again; nil where it must not.
  let retryAfterSeconds: Int?

  init(_ code: Code, _ message: String, retryAfterSeconds: Int? = nil) {
    self.code = code
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
  }

  /// `google.rpc.Status { 1: code, 2: message, 3: Any { 1: type URL, 2: RetryInfo { 1: Duration { 1: seconds } } } }`,
  /// nil where there is nothing to tell but code and message.
  var details: [UInt8]? {
    guard let retryAfterSeconds else { return nil }
    var writer = ProtobufWriter()
    writer.field(1, varint: UInt64(code.rawValue))
    writer.field(2, string: message)
    writer.field(3) { any in
      any.field(1, string: Self.retryInfoType)
      any.field(2) { retry in retry.field(1) { $0.field(1, int64: Int64(retryAfterSeconds)) } }
    }
    return writer.bytes
  }

  /// The message as the header `grpc-message` carries it: percent-encoded but for printable ASCII, at most `1024` bytes
  /// of it, because it may quote what came in.
  var encodedMessage: String {
    var text = ""
    for byte in message.utf8.prefix(1024) {
      if (0x20...0x7e).contains(byte), byte != UInt8(ascii: "%") {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return text
  }

  /// What a message says that came in the header `grpc-message`; at most 1024 bytes of it.
  static func decodedMessage(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8.prefix(1024)[...]
    while let byte = rest.popFirst() {
      let code = String(decoding: rest.prefix(2), as: UTF8.self)
      if byte == UInt8(ascii: "%"), code.utf8.count == 2, let value = UInt8(code, radix: 16) {
        bytes.append(value)
        rest.removeFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
