/// Why a server gave no answer, with what to do about it.
enum APIFailure: Error, Equatable, CustomStringConvertible {
  case unreachable(server: String, reason: String)
  case timedOut(server: String, seconds: Double)
  case refused(status: Int, path: String, message: String)
  case selectsEvents
  case malformed(path: String, reason: String)

  var description: String {
    switch self {
    case .unreachable(let server, let reason):
      "cannot reach \(server): \(reason)"
    case .timedOut(let server, let seconds):
      "\(server) did not answer within \(PrometheusNumber.text(seconds)) s; ask for less, or raise --timeout"
    case .refused(401, let path, let message), .refused(403, let path, let message):
      "not allowed to ask \(path): \(message); give --token-file and --tenant"
    case .refused(let status, let path, let message):
      "\(path) answered \(status): \(message)"
    case .selectsEvents:
      "the expression selects log records or spans themselves; ask with `needletail logs` or `needletail traces`, or count "
        + "them: count_over_time(logs{...}[5m])"
    case .malformed(let path, let reason):
      "the answer of \(path) is not what was expected: \(reason); is this a Needletail server?"
    }
  }
}
