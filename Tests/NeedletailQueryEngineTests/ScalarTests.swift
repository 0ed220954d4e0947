import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailQueryEngine

@Suite("Numbers that are the same at every step")
struct ScalarTests {
  /// An expression over numbers, written twice: as it is, and with each number hidden from who would work it out ahead.
  private struct Written {
    var plain: String
    var hidden: String

    static func random(_ random: inout SeededGenerator, depth: Int) -> Written {
      let choice = depth == 0 ? 0 : random.next() % 12
      switch choice {
      case 0...2:
        let number = ["0", "-0", "1", "0.5", "3", "1e300", "Inf", "NaN", "7", "time()"][Int(random.next() % 10)]
        return Written(plain: "(\(number))", hidden: number == "time()" ? number : "scalar(vector(\(number)))")
      case 3: return Written.random(&random, depth: depth - 1).mapped { "(-\($0))" }
      case 4:
        let (left, right) = (Written.random(&random, depth: depth - 1), Written.random(&random, depth: depth - 1))
        let name = random.next() % 2 == 0 ? "max_of" : "min_of"
        return Written(
          plain: "\(name)(\(left.plain), \(right.plain))", hidden: "\(name)(\(left.hidden), \(right.hidden))")
      case 5: return Written(plain: "pi()", hidden: "scalar(vector(pi()))")
      default:
        let (left, right) = (Written.random(&random, depth: depth - 1), Written.random(&random, depth: depth - 1))
        let signs = ["+", "-", "*", "/", "%", "^", "atan2", "> bool", "== bool", "<= bool", "default", "ifnot"]
        let sign = signs[Int(random.next() % UInt64(signs.count))]
        return Written(
          plain: "(\(left.plain) \(sign) \(right.plain))", hidden: "(\(left.hidden) \(sign) \(right.hidden))")
      }
    }

    func mapped(_ body: (String) -> String) -> Written { Written(plain: body(plain), hidden: body(hidden)) }
  }

  private static func values(_ query: String) async throws -> [UInt64] {
    let result = try await QueryEngine(series: MemorySeries([:]), limits: .patient)
      .range(query, tenant: .default, from: -30_000, to: 60_000, step: 15_000)
    guard case .matrix(let columns) = result.value else { return [] }
    #expect(result.warnings.isEmpty && result.infos.isEmpty)
    // One NaN is as good as another.
    return columns.values.map { $0.isNaN ? Double.nan.bitPattern : $0.bitPattern }
  }

  @Test("come to what they come to when they are worked out at each step, to the last bit", arguments: 1...4)
  func sameValues(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let written = Written.random(&random, depth: 4)
      let wanted = try await Self.values(written.hidden)
      #expect(wanted.count == 7)
      #expect(try await Self.values(written.plain) == wanted, "seed \(seed): \(written.plain)")
      await Task.yield()
    }
  }

  @Test("stay the same when they meet others, from either side")
  func kinds() {
    let (same, each) = (StepNumbers.same(2), StepNumbers.each([1, 3]))
    #expect(same.map { -$0 }.spread(over: 3) == [-2, -2, -2] && each.map { -$0 }.spread(over: 2) == [-1, -3])
    #expect(same.combined(with: same, -).spread(over: 2) == [0, 0])
    #expect(same.combined(with: each, -).spread(over: 2) == [1, -1])
    #expect(each.combined(with: same, -).spread(over: 2) == [-1, 1])
    #expect(each.combined(with: .each([10, 20]), -).spread(over: 2) == [-9, -17])
    guard case .same = same.combined(with: .same(1), +) else {
      Issue.record("two that are the same at every step are worked out at each")
      return
    }
  }
}
