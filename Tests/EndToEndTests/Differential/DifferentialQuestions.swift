/// Asks the server under test and Prometheus the same.
struct DifferentialQuestions: Sendable {
  /// How an expression is evaluated.
  enum Evaluation: String, CaseIterable {
    case instant, range
  }

  /// At half a second past, 43 minutes into the data.
  static let instant: Int64 = DifferentialData.start / 1000 + 2580
  /// Twelve steps from 25 minutes into the data.
  static let first = DifferentialData.start / 1000 + 1500
  static let last = DifferentialData.start / 1000 + 2500
  static let step = 89

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
    let times =
      switch evaluation {
      case .instant: "&time=\(Self.instant).5"
      case .range: "&start=\(Self.first).5&end=\(Self.last).5&step=\(Self.step)"
      }
    let path = evaluation == .instant ? "/api/v1/query" : "/api/v1/query_range"
    let form = "query=\(ServerUnderTest.percentEncoded(expression))\(times)"
    let (_, body) = try await client.post(
      path, Array(form.utf8), type: "application/x-www-form-urlencoded", port: port)
    return try QueryAnswer(body)
  }
}
