import NeedletailProcesses

/// Asks the server under test and Prometheus the same.
struct DifferentialQuestions: Sendable {
  /// How an expression is evaluated: always at half a second past.
  enum Evaluation: Sendable, CustomStringConvertible {
    /// At one time, in seconds.
    case instant(Int64)
    /// At twelve steps.
    case range(from: Int64, step: Int64)

    var isInstant: Bool { if case .instant = self { true } else { false } }

    /// The times of the evaluation, in seconds.
    var times: [Double] {
      switch self {
      case .instant(let time): [Double(time) + 0.5]
      case .range(let start, let step): (0..<12).map { Double(start + $0 * step) + 0.5 }
      }
    }

    var description: String {
      switch self {
      case .instant(let time): "at \(time).5"
      case .range(let start, let step): "from \(start).5 by \(step) s"
      }
    }
  }

  /// 43 minutes into the data.
  static let instant = DifferentialData.start / 1000 + 2580
  /// Twelve steps from 25 minutes into the data.
  static let range = Evaluation.range(from: DifferentialData.start / 1000 + 1500, step: 89)
  /// Both.
  static let usual: [Evaluation] = [.instant(instant), range]

  /// Other times for each number: no sooner than 27 minutes into the data, so that no range begins before it does.
  static func varied(_ number: Int) -> [Evaluation] {
    let time = DifferentialData.start / 1000 + 1620 + Int64(number % 997)
    return [.instant(time), .range(from: time - Int64(number % 7), step: [15, 61, 120][number % 3])]
  }

  let client: ServerClient
  let peerPort: Int

  /// How the server under test and Prometheus answer.
  func answers(_ expression: String, _ evaluation: Evaluation) async throws -> (ours: QueryAnswer, theirs: QueryAnswer)
  {
    async let ours = ask(expression, evaluation, port: client.port)
    async let theirs = ask(Self.spelledFor242(expression), evaluation, port: peerPort)
    return (try await ours, try await theirs)
  }

  /// `double_exponential_smoothing` was called `holt_winters` before Prometheus 3.
  private static func spelledFor242(_ expression: String) -> String {
    expression.replacing("double_exponential_smoothing", with: "holt_winters")
  }

  private func ask(_ expression: String, _ evaluation: Evaluation, port: Int) async throws -> QueryAnswer {
    let times = evaluation.times
    let parameters: String
    switch evaluation {
    case .instant: parameters = "time=\(times[0])"
    case .range(_, let step): parameters = "start=\(times[0])&end=\(times[times.count - 1])&step=\(step)"
    }
    let path = evaluation.isInstant ? "/api/v1/query" : "/api/v1/query_range"
    let form = "\(parameters)&query=\(ServerClient.percentEncoded(expression))"
    let (_, body) = try await client.post(
      path, Array(form.utf8), type: "application/x-www-form-urlencoded", port: port)
    return try QueryAnswer(body)
  }
}
