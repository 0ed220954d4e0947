import NeedletailTestSupport
import Testing

@testable import NeedletailTelemetry

@Suite("What is told of an expression without running it")
struct ExpressionLiteralsTests {
  @Test("literals, alternations and groups are spelt out")
  func wholeTexts() {
    #expect(ExpressionLiterals("abc")?.wholeTexts == ["abc"])
    #expect(ExpressionLiterals("c|a|b|a")?.wholeTexts == ["a", "b", "c"])
    #expect(ExpressionLiterals("(a|b)")?.wholeTexts == ["a", "b"])
    #expect(ExpressionLiterals("api-(?:1|2(x|))\\.eu")?.wholeTexts == ["api-1.eu", "api-2.eu", "api-2x.eu"])
    #expect(ExpressionLiterals("a|")?.wholeTexts == ["", "a"])
    #expect(ExpressionLiterals("Ω|é")?.wholeTexts == ["é", "Ω"].sorted())
  }

  @Test("what comes before anything else is a beginning")
  func beginnings() {
    func texts(_ pattern: String) -> [String]? {
      ExpressionLiterals(pattern)?.beginnings.map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(texts("api-.*") == ["api-"])
    #expect(texts("api-.*|web") == ["api-", "web"])
    #expect(texts("ab*c") == ["a"])
    #expect(texts("(a|b)x+") == ["a", "b"])
    #expect(texts("ab|abc.*") == ["ab"])
    #expect(ExpressionLiterals("ab|abc.*")?.wholeTexts == nil)
    #expect(texts("Ω?") == nil)
    #expect(texts(".*") == nil)
    #expect(texts("a|.*") == nil)
    #expect(texts("(?i)abc") == nil)
    #expect(texts("a|x(?i)b|c") == nil)
    #expect(texts("\\Qa|b\\E") == nil)
  }

  @Test("an expression that spells out too much is left to RE2")
  func bounds() throws {
    #expect(ExpressionLiterals(String(repeating: "(a|b)", count: 13)) == nil)
    let long = String(repeating: "(a|b)", count: 8) + String(repeating: "c", count: 10_000)
    #expect(ExpressionLiterals(long) == nil)
    #expect(ExpressionLiterals((0..<4000).map { "v\($0)" }.joined(separator: "|"))?.wholeTexts?.count == 4000)
  }

  @Test("RE2 agrees, on every text, with what is told", arguments: 1...40)
  func agreesWithRE2(seed: Int) {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let pieces = [
      "a", "b", "ab", "c", "|", "|", "(", ")", "(?:", ".*", ".+", ".", "*", "+", "?", "[ab]", "[^a]", "[|]", "\\.",
      "\\|", "\\", "\\d", "\\Q", "\\E", "^", "$", "(?i)", "(?P<n>", "{2}", "{", "}", "Ω", "\\pL", "-", "\\-", "A", "\n",
      "\\x61", "(?i:", "]",
    ]
    for _ in 0..<400 {
      let pattern = (0..<generator.int(0...7)).map { _ in generator.pick(pieces) }.joined()
      guard let expression = try? RegularExpression(pattern), let literals = expression.literals else { continue }
      for _ in 0..<60 {
        var text = (0..<generator.int(0...4)).map { _ in
          generator.pick(["a", "b", "A", "ab", "c", "|", ".", "Ω", "-", "B", "C", "\n", "a{", "\\"])
        }.joined()
        if generator.oneIn(3), let beginning = literals.beginnings.first {
          text = String(decoding: beginning, as: UTF8.self) + text
        }
        let matches = expression.matchesWhole(text)
        if let whole = literals.wholeTexts {
          #expect(whole.contains(text) == matches, "\(pattern) on \(text), \(comment)")
        }
        if matches {
          #expect(literals.beginnings.contains { text.utf8.starts(with: $0) }, "\(pattern) on \(text), \(comment)")
        }
      }
      for text in literals.wholeTexts ?? [] {
        #expect(expression.matchesWhole(text), "\(pattern) on \(text), \(comment)")
      }
    }
  }
}
