import NeedletailDashboard

extension APIClient: CompletionSource {
  /// What was there within the last day: what a query that is written now is likely to be about.
  func answers(to question: CompletionQuestion) async throws -> [String] {
    // Nothing is told of what nobody asked for, in the middle of the line that is written.
    var quiet = self
    quiet.tell = nil
    return try await quiet.found(question)
  }

  private func found(_ question: CompletionQuestion) async throws -> [String] {
    let now = WallClock.now()
    let times = [("start", Self.seconds(now &- 86_400_000_000_000)), ("end", Self.seconds(now))]
    let limit = ("limit", "\(CompletionQuestion.answersMax)")
    switch question {
    case .metrics(let beginning):
      let path = "/api/v1/label/__name__/values"
      let match = beginning.isEmpty ? [] : [("match[]", "{" + Self.matcher("__name__", beginning) + "}")]
      return try Answers.names(try await get(path, times + [limit] + match), path: path)
    case .labelNames(let selector, .series):
      let path = "/api/v1/labels"
      let match = selector.map { [("match[]", $0)] } ?? []
      return try Answers.names(try await get(path, times + [limit] + match), path: path)
    case .labelValues(let name, let selector, let beginning, .series):
      let path = "/api/v1/label/\(Self.escaped(name))/values"
      var parts = selector.map { [String($0.dropFirst().dropLast())] } ?? []
      if !beginning.isEmpty { parts.append(Self.matcher(name, beginning)) }
      let match = parts.isEmpty ? [] : [("match[]", "{" + parts.joined(separator: ", ") + "}")]
      return try Answers.names(try await get(path, times + [limit] + match), path: path)
    case .labelNames(_, .logs):
      let path = "/loki/api/v1/labels"
      return try Answers.names(try await get(path), path: path)
    case .labelValues(let name, _, _, .logs):
      let path = "/loki/api/v1/label/\(Self.escaped(name))/values"
      return try Answers.names(try await get(path), path: path)
    case .labelNames(_, .spans), .labelValues(_, _, _, .spans): return []
    }
  }

  /// A condition that a label begins with a text.
  private static func matcher(_ name: String, _ beginning: String) -> String {
    let pattern = beginning.unicodeScalars.reduce(into: "") { pattern, scalar in
      let isPlain = scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar == "_"
      if !isPlain { pattern += "\\\\" }
      pattern.unicodeScalars.append(scalar)
    }
    let quoted = "\"" + pattern.replacing("\"", with: "\\\"") + ".*\""
    let isWord = name.utf8.allSatisfy {
      $0 == 0x5F || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39)
    }
    return (isWord ? name : "\"" + name + "\"") + "=~" + quoted
  }
}
