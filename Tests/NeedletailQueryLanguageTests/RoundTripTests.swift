import NeedletailEnvironment
import NeedletailQueryLanguage
import Testing

/// Writes random queries that are right by construction.
struct QueryWriter {
  var random: SeededGenerator

  private mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int(random.next() % UInt64(elements.count))]
  }

  private mutating func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }

  private mutating func duration() -> String {
    pick([
      "5m", "1h30m", "90s", "300", "1d", "2w", "250ms", "2 * (1m + 30s)", "STEP() * 2 + 1",
      "max_of(step(), min_of(5m, range()))",
      "-5m + 10m ^ 1", "90m % 1h / 2 - -1s",
    ])
  }

  private mutating func shift() -> String {
    (chance(20) ? " offset " + pick(["5m", "-1h", "(1h / 2)", "-step()", "min_of(range(), 8s)", "-(2 - 5)"]) : "")
      + (chance(20) ? " @ " + pick(["start()", "end()", "10", "-1.5"]) : "")
  }

  private mutating func selector() -> String {
    let matchers = ["a=\"b\"", "c!=\"d\\n\"", "e=~\"f.*|g\"", "\"h i\"!~\"[0-9]+\"", "l='é'"].filter { _ in chance(30) }
    let braces = matchers.isEmpty ? "" : "{\(matchers.joined(separator: ","))}"
    if chance(10) {
      return "\(pick(["foo", "or", ""])){a=\"b\" or c!=\"\", or=~\"d.*\"\(chance(50) ? " or e='f'" : "")}"
    }
    return chance(15)
      ? "{\"x.y\"\(matchers.map { "," + $0 }.joined())}" : pick(["foo", "a:b", "by", "sum", "inf_x"]) + braces
  }

  private mutating func labels() -> String { pick(["()", "(a)", "(a, \"b c\")", "(x,)"]) }

  mutating func scalar(_ depth: Int) -> String {
    guard depth > 0 else { return pick(["1", "0x1f", "1e-3", "5m", "NaN", "Inf", "1_000", "017", "time()", "pi()"]) }
    switch random.next() % 4 {
    case 0: return "scalar(\(vector(depth - 1)))"
    case 1: return "(\(scalar(depth - 1)))"
    case 2: return "-\(scalar(depth - 1))"
    default:
      return "\(scalar(depth - 1)) \(pick(["+", "-", "*", "/", "%", "^", "atan2", "< bool"])) \(scalar(depth - 1))"
    }
  }

  mutating func range(_ depth: Int) -> String {
    switch random.next() % 4 {
    case 0 where depth > 0: return "(\(vector(depth - 1)))[\(duration()):\(chance(50) ? duration() : "")]" + shift()
    case 1:
      let filters = [" |= \"x\"", " !~ \"y|z\"", " | level=\"error\" or b > 5ms", " | json"].filter { _ in chance(40) }
      return "\(pick(["logs", "spans"])){a=\"b\"}\(filters.joined()) | unwrap duration [\(duration())]" + shift()
    default: return selector() + "[\(duration())]" + shift()
    }
  }

  /// A call of what PromQL does not have.
  private mutating func metricsQL(_ depth: Int) -> String {
    switch random.next() % 6 {
    case 0: return "rollup_rate(\(selector())[\(duration())]\(pick(["", ", \"max\""])))"
    case 1: return "quantiles_over_time(\"q\", \(scalar(depth)), 0.5, \(selector())[5m])"
    case 2: return "aggr_over_time((\"rate\", \"lag\"), \(selector())[5m])"
    case 3: return "(\(vector(depth)), \(scalar(depth)), \(vector(depth)),)"
    case 4: return "topk_avg(\(scalar(depth)), \(vector(depth)), \"rest\") by \(labels()) limit 3"
    default:
      let name = pick(["range_avg", "running_sum", "median", "zscore without (a) ", "keep_last_value"])
      return "\(name)(\(chance(30) ? scalar(depth) : vector(depth)))"
    }
  }

  mutating func vector(_ depth: Int) -> String {
    guard depth > 0 else { return selector() + (chance(15) ? pick([" anchored", " SMOOTHED"]) : "") + shift() }
    let below = depth - 1
    switch random.next() % 14 {
    case 10:
      let other = chance(30) ? "vector(\(scalar(below)))" : vector(below)
      return "\(vector(below)) \(pick(["default", "IF", "ifnot"]))\(chance(30) ? " on \(labels())" : "") \(other)"
    case 11: return metricsQL(below)
    case 12:
      let kept = pick(["((\(vector(below))) * \(vector(below)))", "abs(\(vector(below)))", "rate(\(selector())[5m])"])
      return kept + " keep_metric_names"
    case 13:
      return pick([
        "WITH (t = \(vector(below)), f(y, z) = y + z * t) f(t, \(vector(below)))",
        "WITH (f = {a=\"b\", c!=\"d\"}, w = 5m) sum_over_time(foo{f, e=\"g\"}[w:w])",
        "WITH (f(s, ls) = sum by (ls, q) (label_set(\(vector(below)), s + \"x\", \"y\"))) f(\"z\", (a, b))",
      ])
    case 8:
      let edges = shift() + pick([" anchored", " Smoothed"])
      return "\(pick(["rate", "increase", "delta"]))(\(selector())[\(duration())]\(edges))"
    case 0: return "\(pick(["rate", "sum_over_time", "last_over_time", "absent_over_time"]))(\(range(below)))"
    case 1: return "\(pick(["abs", "ceil", "timestamp", "sort_desc", "absent"]))(\(vector(below)))"
    case 2: return "quantile_over_time(\(scalar(below)), \(range(below)))"
    case 3:
      let grouping = "\(pick(["by", "without"])) \(labels())"
      return chance(50) ? "sum \(grouping) (\(vector(below)))" : "topk(\(scalar(below)), \(vector(below))) \(grouping)"
    case 4: return "(\(vector(below)))"
    case 5: return "-\(vector(below))"
    case 7: return "info(\(vector(below))\(pick(["", ", {}", ", {a=\"b\"}", ",{__name__!~'x.*', \"h i\"=~\".*\",}"])))"
    case 6:
      let matching =
        (chance(40) ? " \(pick(["on", "ignoring"])) \(labels())" + (chance(40) ? " group_left (q)" : "") : "")
        + (chance(20) ? pick([" fill(0)", " fill_left(-Inf) fill_right(5m)", " fill_right(NaN)"]) : "")
      return
        "\(vector(below)) \(pick(["+", "*", "^", "> bool", "==", "atan2", "</", ">/"]))\(matching) \(vector(below))"
    default: return "\(vector(below)) \(pick(["and", "or", "unless"])) \(vector(below))"
    }
  }
}

@Suite("Printing and parsing are each other's inverse")
struct RoundTripTests {
  /// The tree without places, by printing every part of it.
  private static func shape(_ expression: Expression) -> [String] {
    var shape: [String] = []
    expression.walk { shape.append(Printer.print($0)) }
    return shape
  }

  @Test("a random query parses, and its print parses to the same tree", arguments: 0..<20 as Range<UInt64>)
  func roundTrip(seed: UInt64) throws {
    var writer = QueryWriter(random: SeededGenerator(seed: seed))
    for _ in 0..<100 {
      let query = writer.vector(3)
      let expression = try #require(try? Parser.parse(query), "seed \(seed): \(query)")
      let printed = Printer.print(expression)
      let again = try Parser.parse(printed)
      #expect(Self.shape(again) == Self.shape(expression), "seed \(seed): \(query)")
    }
  }

  @Test("a mutated query parses or fails, and never traps", arguments: 0..<10 as Range<UInt64>)
  func mutation(seed: UInt64) {
    var random = SeededGenerator(seed: seed ^ 0xdead)
    var writer = QueryWriter(random: random)
    let alphabet = Array("(){}[],:@+-*/%^=!~<>|\"'`\\# \nabe059._xInfoffsetby\u{e9}".utf8)
    for _ in 0..<200 {
      var bytes = Array(writer.vector(3).utf8)
      for _ in 0...(random.next() % 4) where !bytes.isEmpty {
        let position = Int(random.next() % UInt64(bytes.count))
        switch random.next() % 4 {
        case 0: bytes.remove(at: position)
        case 1: bytes.insert(alphabet[Int(random.next() % UInt64(alphabet.count))], at: position)
        case 2: bytes[position] = UInt8(truncatingIfNeeded: random.next())
        default: bytes.removeLast(bytes.count - position)
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      for dialect in [Parser.Dialect.promQL, .logQL] {
        do {
          let printed = Printer.print(try Parser.parse(text, dialect: dialect))
          if dialect == .promQL { _ = try? Parser.parse(printed) }
        } catch {
          #expect(error.span.start <= error.span.end && error.span.end <= text.utf8.count, "seed \(seed): \(text)")
          #expect(!error.rendered.isEmpty)
        }
      }
    }
  }
}
