/// Why another node did not answer a call.
enum PeerError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is no connection to it, or it broke.
  case unreachable(String)
  /// It did not answer in time.
  case timedOut
  /// It said no; `code` is gRPC's.
  case refused(code: Int, message: String, retryAfterSeconds: Int?)
  /// It answered with what cannot be read.
  case malformed(String)

  /// Nobody waits for the answer any more.
  static let givenUp = PeerError.unreachable("the call was given up")

  var description: String {
    switch self {
    case .unreachable(let reason): "cannot be reached: \(reason)"
    case .timedOut: "did not answer in time"
    case .refused(_, let message, _): "refused: \(message)"
    case .malformed(let reason): "answered with what cannot be read: \(reason)"
    }
  }
}
