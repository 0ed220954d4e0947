import NeedletailQueryLanguage
import Testing

@testable import NeedletailNode

@Suite("Queries that were parsed before")
struct ParsedQueriesTests {
  @Test("a text yields what the parser makes of it, the first time and later, and errors each time")
  func same() throws {
    let parsed = ParsedQueries()
    for _ in 0..<3 {
      for text in ["up", "sum by (job) (rate(a[5m]))", "1 + 2"] {
        #expect(try parsed.expression(text) == Parser.parse(text))
      }
      #expect(throws: SyntaxError.self) { try parsed.expression("sum(") }
    }
    #expect(parsed.byteCount == "up".utf8.count + "sum by (job) (rate(a[5m]))".utf8.count + "1 + 2".utf8.count)
  }

  @Test("texts that only look the same are two") func bytes() throws {
    let parsed = ParsedQueries()
    for text in ["x{a=\"\u{e9}\"}", "x{a=\"e\u{301}\"}"] {
      let found = try parsed.expression(text)
      guard case .selector(let selector) = found.node else { return #expect(Bool(false)) }
      #expect(selector.matchers.map { Array($0.value.utf8) } == [Array(text.utf8.dropFirst(5).dropLast(2))])
    }
  }

  @Test("however many texts are asked, a bounded number of bytes of them is kept, and those asked all the time stay")
  func bounded() throws {
    let parsed = ParsedQueries()
    for number in 0..<20_000 {
      _ = try parsed.expression("metric_with_a_rather_long_name{number=\"\(number)\"}")
      #expect(try parsed.expression("up") == Parser.parse("up"))
    }
    #expect(parsed.byteCount > ParsedQueries.bytesMax && parsed.byteCount <= 2 * ParsedQueries.bytesMax)
    let long = "up{a=\"" + String(repeating: "x", count: ParsedQueries.textBytesMax) + "\"}"
    let before = parsed.byteCount
    #expect(try parsed.expression(long) == Parser.parse(long))
    #expect(parsed.byteCount == before)
  }
}
