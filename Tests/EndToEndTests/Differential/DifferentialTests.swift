import Foundation
import NeedletailProcesses
import NeedletailQueryGenerator
import Testing

/// The same data in a real Prometheus and in a real server, and the same questions to both.
///
/// Values must be equal to 1e-12 of themselves, labels and times exactly, errors in their kind. Both engines read the same samples, so
/// that more than a few units of the last place means that they mean different things. Sums over series are the one thing that
/// may differ by more: Prometheus 2.42 adds them up without compensation. So the data is of numbers whose sums are exact
/// (`DifferentialData`), and generated expressions do nothing with a rounded value that would make its rounding show
/// (`ExpressionTraits`).
///
/// Samples lie off the grid of all edges of ranges, so that it hardly ever matters whether these are open (since Prometheus 3) or
/// closed; where a sample is put on an edge on purpose, it is in the list below.
///
/// Debian's Prometheus is older than what we follow. `ListedDifference` has every expression that it answers otherwise, with the
/// reason and with the answer that is right today, worked out by hand.
@Suite(
  "The same questions to a real Prometheus", .serialized, .enabled(if: OutsideProgram.isExpected("prometheus")))
struct DifferentialTests {
  static let tolerance = 1e-12
  private static let environment = ProcessInfo.processInfo.environment
  /// The seed of the generated expressions.
  private static let seed = environment["NEEDLETAIL_PROMQL_SEED"].flatMap { UInt64($0) } ?? 20_423
  /// How many expressions are generated.
  private static let count = environment["NEEDLETAIL_PROMQL_EXPRESSIONS"].flatMap { Int($0) } ?? 2000

  /// What came of asking.
  private struct Outcome: Sendable {
    /// The expression, how it was evaluated, and what differs.
    var differences: [(expression: String, evaluation: DifferentialQuestions.Evaluation, text: String)] = []
    /// How many answers there were, and how many of them that hold anything.
    var answers = 0
    var full = 0

    mutating func merge(_ other: Outcome) {
      differences += other.differences
      answers += other.answers
      full += other.full
    }
  }

  /// Asks every expression in every way, two at a time.
  private func ask(
    _ expressions: [String], _ questions: DifferentialQuestions, isOrdered: Bool = false,
    _ evaluations: @escaping @Sendable (Int) -> [DifferentialQuestions.Evaluation] = { _ in DifferentialQuestions.usual
    }
  ) async throws -> Outcome {
    try await withThrowingTaskGroup(of: Outcome.self) { group in
      for half in 0..<2 {
        group.addTask {
          var outcome = Outcome()
          for index in stride(from: half, to: expressions.count, by: 2) {
            for evaluation in evaluations(index) {
              let (ours, theirs) = try await questions.answers(expressions[index], evaluation)
              outcome.answers += 1
              if theirs.hasSamples { outcome.full += 1 }
              let difference = ours.difference(
                from: theirs, tolerance: Self.tolerance, isOrdered: isOrdered && evaluation.isInstant)
              guard let difference else { continue }
              outcome.differences.append((expressions[index], evaluation, difference))
            }
          }
          return outcome
        }
      }
      return try await group.reduce(into: Outcome()) { $0.merge($1) }
    }
  }

  /// Tells what differs; most answers must hold something, or the comparison says little.
  private func check(_ outcome: Outcome, share: Double, seed: UInt64? = nil) {
    for (expression, evaluation, text) in outcome.differences.prefix(50) {
      let origin = seed.map { "seed \($0), " } ?? ""
      Issue.record("\(origin)\(expression)\n  \(evaluation) \(text)")
    }
    #expect(outcome.differences.count == 0)
    #expect(Double(outcome.full) > share * Double(outcome.answers), "\(outcome.full) of \(outcome.answers)")
  }

  @Test("Expressions written by hand yield the same there and here", .timeLimit(.minutes(20)))
  func writtenExpressions() async throws {
    let pair = try await DifferentialPair()
    defer { pair.end() }
    check(try await ask(WrittenExpressions.all, pair.questions), share: 0.8)
    check(try await ask(WrittenExpressions.ordered, pair.questions, isOrdered: true), share: 0.9)
  }

  @Test("Every spelling is taken there and here for the same, or refused", .timeLimit(.minutes(20)))
  func spellings() async throws {
    let pair = try await DifferentialPair()
    defer { pair.end() }
    check(try await ask(WrittenExpressions.spellings, pair.questions), share: 0.4)
  }

  @Test("Generated expressions yield the same there and here, where the data lies in parts", .timeLimit(.minutes(20)))
  func generatedExpressions() async throws {
    let pair = try await DifferentialPair()
    defer { pair.end() }
    try await pair.flush()
    var generator = ExpressionGenerator(
      .shop(anchors: ["1700001500.5", "1700002000.5"]), .shared, seed: Self.seed)
    let expressions = (0..<Self.count).map { generator.next(depth: 2 + $0 % 3) }
    check(
      try await ask(expressions, pair.questions) { DifferentialQuestions.varied($0) }, share: 0.6, seed: Self.seed)
  }

  @Test("What is no query is refused there and here, with the same kind of error", .timeLimit(.minutes(20)))
  func wrongExpressions() async throws {
    let pair = try await DifferentialPair()
    defer { pair.end() }
    let questions = pair.questions
    for expression in WrittenExpressions.wrong {
      for evaluation in DifferentialQuestions.usual {
        let (ours, theirs) = try await questions.answers(expression, evaluation)
        guard case .failure(let kind, _) = ours, case .failure(let otherKind, _) = theirs else {
          Issue.record("\(evaluation) of \(expression) did not fail: \(ours), and there: \(theirs)")
          continue
        }
        #expect(kind == otherKind, "\(evaluation) of \(expression)")
      }
    }
  }

  @Test(
    "What Prometheus 2.42 answers otherwise is listed, and is here as it was worked out by hand",
    .timeLimit(.minutes(20)))
  func listedDifferences() async throws {
    let pair = try await DifferentialPair()
    defer { pair.end() }
    let questions = pair.questions
    for listed in ListedDifference.all {
      let (ours, theirs) = try await questions.answers(listed.expression, listed.evaluation)
      let wrong = ours.difference(from: listed.answer, tolerance: Self.tolerance)
      #expect(wrong == nil, "\(listed.evaluation) of \(listed.expression): \(listed.reason)")
      let isStillDifferent = ours.difference(from: theirs, tolerance: Self.tolerance) != nil
      #expect(isStillDifferent, "\(listed.expression) is the same there by now: take it off the list")
    }
  }

  @Test("Answers are told apart by values, labels, times, order, type and kind of error")
  func answersAreToldApart() {
    func answer(_ value: Double, _ labels: String = "{}", at time: Double = 1, _ type: String = "vector") -> QueryAnswer
    {
      .series(type: type, [(labels, [(time, .number(value))])])
    }
    func differ(_ left: QueryAnswer, _ right: QueryAnswer) -> Bool {
      left.difference(from: right, tolerance: Self.tolerance) != nil
        && right.difference(from: left, tolerance: Self.tolerance) != nil
    }
    let values: [Double] = [0, 1, 1 + 1e-11, -1, 1e300, .infinity, -.infinity, .nan, .leastNonzeroMagnitude]
    for (one, left) in values.enumerated() {
      for (other, right) in values.enumerated() { #expect(differ(answer(left), answer(right)) == (one != other)) }
    }
    #expect(!differ(answer(1), answer(1 + 1e-13)) && !differ(answer(0), answer(-0.0)))
    #expect(differ(answer(1), answer(1, "{a=\"b\"}")) && differ(answer(1), answer(1, at: 2)))
    #expect(differ(answer(1), answer(1, "{}", at: 1, "matrix")) && differ(answer(1), .series(type: "vector", [])))
    let failure = QueryAnswer.failure(kind: "execution", message: "")
    #expect(differ(failure, answer(1)) && differ(failure, .failure(kind: "bad_data", message: "")))
    #expect(differ(answer(1), .series(type: "vector", [("{}", [(1, .histogram([1, 1]))])])))
  }

  @Test("Every function, aggregation and operator of Prometheus 2.42 is asked for by hand")
  func everythingIsAskedFor() {
    let written = (WrittenExpressions.all + WrittenExpressions.ordered).joined(separator: "\n")
    for function in Self.functions {
      #expect(written.contains("\(function)("), "no expression calls \(function)")
    }
    for word in Self.aggregations + Self.words {
      let isThere = written.contains("\(word) ") || written.contains("\(word)(")
      #expect(isThere, "no expression has \(word)")
    }
    for sign in Self.signs { #expect(written.contains(" \(sign) "), "no expression has \(sign)") }
  }

  /// As of https://github.com/prometheus/prometheus/blob/v2.42.0/promql/parser/functions.go, with one of its names of today.
  private static let functions = [
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh", "avg_over_time", "ceil",
    "changes",
    "clamp", "clamp_max", "clamp_min", "cos", "cosh", "count_over_time", "day_of_month", "day_of_week", "day_of_year",
    "days_in_month", "deg", "delta", "deriv", "double_exponential_smoothing", "exp", "floor", "histogram_count",
    "histogram_fraction", "histogram_quantile", "histogram_sum", "hour", "idelta", "increase", "irate", "label_join",
    "label_replace", "last_over_time", "ln", "log10", "log2", "max_over_time", "min_over_time", "minute", "month", "pi",
    "predict_linear", "present_over_time", "quantile_over_time", "rad", "rate", "resets", "round", "scalar", "sgn",
    "sin",
    "sinh", "sort", "sort_desc", "sqrt", "stddev_over_time", "stdvar_over_time", "sum_over_time", "tan", "tanh", "time",
    "timestamp", "vector", "year",
  ]
  private static let aggregations = [
    "avg", "bottomk", "count", "count_values", "group", "max", "min", "quantile", "stddev", "stdvar", "sum", "topk",
  ]
  private static let words = [
    "and", "or", "unless", "atan2", "bool", "by", "without", "on", "ignoring", "group_left", "group_right", "offset",
    "@ start", "@ end",
  ]
  private static let signs = ["+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<="]
}
