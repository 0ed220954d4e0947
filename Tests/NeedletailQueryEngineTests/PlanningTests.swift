import NeedletailEnvironment
import NeedletailQueryLanguage
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine

@Suite("What is read less, or worked out once, changes no answer")
struct PlanningTests {
  @Test(
    "Conditions of one side are those of the other where they are matched by",
    arguments: [
      ("a{x=\"1\"} / b", "a{x=\"1\"} / b{x=\"1\"}"), ("a / b{x=~\"1|2\"}", "a{x=~\"1|2\"} / b{x=~\"1|2\"}"),
      ("rate(a{x=\"1\"}[5m]) - rate(b[5m])", "rate(a{x=\"1\"}[5m]) - rate(b{x=\"1\"}[5m])"),
      (
        "sum by (x) (a{x=\"1\", y=\"2\"}) / on (x) sum by (x) (rate(b[1m]))",
        "sum by (x) (a{x=\"1\", y=\"2\"}) / on (x) sum by (x) (rate(b{x=\"1\"}[1m]))"
      ),
      (
        "a{x=\"1\", y=\"2\"} * on (x) group_left () sum by (x) (b)",
        "a{x=\"1\", y=\"2\"} * on (x) group_left () sum by (x) (b{x=\"1\"})"
      ),
      ("a{x=\"1\"} and on (x) b{y=\"2\"}", "a{x=\"1\"} and on (x) b{y=\"2\", x=\"1\"}"),
      ("a{x=\"1\"} unless b{y=\"2\"}", "a{x=\"1\"} unless b{y=\"2\", x=\"1\"}"),
      ("a{x=\"1\"} / (b * 2) / c", "a{x=\"1\"} / (b{x=\"1\"} * 2) / c{x=\"1\"}"),
      ("sum(a{x=\"1\"} * b) > 3", "sum(a{x=\"1\"} * b{x=\"1\"}) > 3"),
      ("a{x=\"1\"} / ignoring (x) b", ""), ("a{x=\"1\"} or b", ""), ("a{x=\"1\"} / on (x) b", ""),
      ("a{x=\"1\"} * on (x) group_left () b", ""), ("a{x=\"1\"} + fill(0) b", ""), ("a{x=\"1\"} default b", ""),
      ("a{x=\"1\"} / topk by (x) (1, b)", ""), ("a{x=\"1\"} / sum(b)", ""), ("a{x=\"1\"} / {y=\"1\"}", ""),
      ("a{x=\"1\"} / label_replace(b, \"x\", \"1\", \"\", \"\")", ""), ("a{x=\"1\"} / absent_over_time(b[5m])", ""),
    ])
  func propagation(query: String, wanted: String) throws {
    // Where nothing is wanted nothing changes.
    let planned = try Parser.parse(query).propagatingMatchers()
    #expect(
      Printer.print(planned)
        == (wanted.isEmpty ? Printer.print(try Parser.parse(query)) : Printer.print(try Parser.parse(wanted))))
  }

  @Test("A part that stands in a query twice is read once, and what reads less asks for less")
  func reads() async throws {
    func plan(_ query: String) async throws -> [[String]] {
      let engine = QueryEngine(series: StepTests.data(seed: 1), limits: .patient)
      let plan = try await engine.plan(
        try Parser.parse(query), text: query, tenant: .default, from: 0, to: 600_000, step: 60_000)
      return plan.reads.map(\.matchers)
    }
    #expect(try await plan("sum(rate(m[5m])) / count(rate(m[5m]))").count == 1)
    #expect(try await plan("m / m").count == 1)
    #expect(try await plan("m / m offset 1m").count == 2)
    #expect(try await plan("max_over_time(m[5m]) - min_over_time(m[5m])").count == 2)
    #expect(try await plan("sum by (a) (m{a=\"1\"}) / sum by (a) (rate(m[5m]))").allSatisfy { $0.contains("a=\"1\"") })
  }

  /// Writes expressions that join two metrics in every way.
  private struct Joins {
    var random: SeededGenerator

    mutating func pick(_ texts: [String]) -> String { texts[Int(random.next() % UInt64(texts.count))] }

    mutating func selector() -> String {
      let conditions = ["a=\"0\"", "a!=\"1\"", "a=~\"0|2\"", "b=\"1\"", "b!~\"2\"", "c=\"\"", "a=\"7\"", "c=\"x\""]
      var parts: [String] = []
      for _ in 0..<(random.next() % 3) { parts.append(pick(conditions)) }
      return pick(["m", "m", "n", "h", "{__name__=~\"m|n\"}"]).replacing("}", with: parts.isEmpty ? "}" : ",}")
        + (parts.isEmpty ? "" : "{" + parts.joined(separator: ",") + "}")
    }

    mutating func operand(_ depth: Int) -> String {
      guard depth > 0 else { return plainSelector() }
      switch random.next() % 10 {
      case 0, 1:
        return "\(pick(["rate", "avg_over_time", "last_over_time", "count_over_time"]))(\(plainSelector())[2m])"
      case 2, 3:
        return "\(pick(["sum", "max", "count", "group"])) \(pick(["by (a)", "by (a, b)", "without (b)", "by (c)"])) "
          + "(\(operand(depth - 1)))"
      case 4: return "\(pick(["topk", "bottomk"])) by (a) (1, \(operand(depth - 1)))"
      case 5: return pick(["(\(operand(depth - 1)))", "-(\(operand(depth - 1)))"])
      case 6: return "(\(operand(depth - 1)) \(pick(["* 2", "> 3", ">= bool 3"])))"
      default: return join(depth)
      }
    }

    private mutating func plainSelector() -> String {
      let text = selector()
      // A name within the braces and conditions behind it are one selector.
      return text.replacing(",}{", with: ",")
    }

    mutating func join(_ depth: Int) -> String {
      let operation = pick(["+", "-", "/", "==", ">", "!= bool", "and", "or", "unless"])
      let isSet = ["and", "or", "unless"].contains(operation)
      var matching = pick(["", "", "on (a)", "on (a, b)", "ignoring (b)", "on (c)"])
      if !isSet, !matching.isEmpty { matching += pick(["", " group_left ()", " group_right ()"]) }
      return "(\(operand(depth - 1)) \(operation) \(matching) \(operand(depth - 1)))"
    }
  }

  private static func data(seed: UInt64) -> MemorySeries {
    var series = StepTests.data(seed: seed).series
    for (labels, points) in series where labels["__name__"] == "m" {
      series[labels.setting("__name__", "n")] = points.map { .init(time: $0.time + 1000, value: $0.value / 2) }
    }
    return MemorySeries(series)
  }

  @Test("whatever is joined with what", arguments: 1...8)
  func sameAnswers(seed: UInt64) async throws {
    var joins = Joins(random: SeededGenerator(seed: seed))
    let engine = QueryEngine(series: Self.data(seed: seed), limits: .patient)
    var (planned, plain) = (QueryOptions(), QueryOptions())
    (planned.sharesWork, plain.sharesWork) = (true, false)
    func answer(_ query: String, _ options: QueryOptions) async throws -> String {
      do {
        let result = try await engine.range(
          query, tenant: .default, from: 60_000, to: 900_000, step: 70_000, options: options)
        guard case .matrix(let columns) = result.value else { return "\(result.value)" }
        return (0..<columns.count).map { row in
          let cells = columns.offsets[row]..<columns.offsets[row + 1]
          return "\(columns.labels[row]) \(cells.map { "\(columns.timestamps[$0]):\(columns.values[$0].bitPattern)" })"
        }.joined(separator: "\n")
      } catch let error as QueryError {
        return "error: \(error.kind)"
      }
    }
    var values = 0
    for _ in 0..<250 {
      let query = joins.join(3)
      let wanted = try await answer(query, plain)
      #expect(try await answer(query, planned) == wanted, "seed \(seed): \(query)")
      if !wanted.isEmpty, !wanted.hasPrefix("error") { values += 1 }
      await Task.yield()
    }
    #expect(values > 20)
  }
}
