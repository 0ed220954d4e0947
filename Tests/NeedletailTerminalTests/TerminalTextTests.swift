import NeedletailEnvironment
import NeedletailTerminal
import Testing

@Suite("Text that reaches a terminal")
struct TerminalTextTests {
  @Test(
    "shows what could steer a terminal instead of sending it",
    arguments: [
      ("\u{1B}[2J", "␛[2J"), ("a\u{07}b\u{7F}", "a␇b␡"), ("\u{9B}31m", "\\u{9B}31m"), ("a\r\nb", "a␍␊b"),
      ("\u{202E}evil", "\\u{202E}evil"), ("x\u{200B}y\u{200D}z", "x\\u{200B}y\\u{200D}z"),
      ("\u{E0041}", "\\u{E0041}"), ("\u{2066}\u{2069}", "\\u{2066}\\u{2069}"), ("\u{2028}", "\\u{2028}"),
      ("\u{FEFF}", "\\u{FEFF}"), ("\u{AD}", "\\u{AD}"), ("\u{3164}", "\\u{3164}"), ("❤\u{FE0F}", "❤"),
    ])
  func escapes(input: String, expected: String) {
    #expect(TerminalText(input).string == expected)
  }

  @Test("turns invalid UTF-8 into the replacement character")
  func invalidUTF8() {
    #expect(TerminalText(utf8: [0x61, 0xFF, 0x62]).string == "a\u{FFFD}b")
  }

  @Test("keeps at most eight scalars of a grapheme and gives a lone mark a base")
  func graphemes() {
    let stack = TerminalText("e" + String(repeating: "\u{301}", count: 50))
    #expect(stack.string.unicodeScalars.count == 8)
    #expect(stack.width == 1)
    #expect(TerminalText("\u{301}").string == "◌\u{301}")
  }

  @Test(
    "knows how many columns text takes",
    arguments: [("abc", 3), ("漢字", 4), ("e\u{301}", 1), ("🇨🇭", 2), ("🚀", 2), ("각", 2), ("ｆ", 2), ("é", 1), ("─", 1)])
  func width(input: String, columns: Int) {
    #expect(TerminalText(input).width == columns)
  }

  @Test("expands tabs to stops of eight columns")
  func tabs() {
    #expect(TerminalText("ab\tc").string == "ab      c")
    #expect(TerminalText("\t").width == 8)
  }

  @Test("cuts without halving a wide glyph, and marks the cut")
  func cutting() {
    #expect(TerminalText("漢字").truncated(to: 3).width == 2)
    #expect(TerminalText("abcdef").abbreviated(to: 4).string == "abc…")
    #expect(TerminalText("abcdef", limit: 4).string == "abc…")
    #expect(TerminalText("abcdef").abbreviated(to: 0).isEmpty)
  }

  @Test("splits lines at LF and CRLF")
  func lines() {
    #expect(TerminalText.lines("a\r\nb\n\nc").map(\.string) == ["a", "b", "", "c"])
  }

  @Test("never holds a character that a terminal could obey, whatever bytes come", arguments: 0..<40 as Range<UInt64>)
  func hostile(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let text = TerminalText(utf8: generator.hostileBytes(upTo: 300))
    for scalar in text.string.unicodeScalars {
      let category = scalar.properties.generalCategory
      #expect(category != .control && category != .format && category != .unassigned, "seed \(seed): \(scalar.value)")
    }
    #expect(text.width == text.glyphs.reduce(0) { $0 + $1.width })
    #expect(text.glyphs.allSatisfy { $0.string.unicodeScalars.count <= 9 && (1...2).contains($0.width) })
    // What was sanitised once stays as it is.
    #expect(TerminalText(text.string).string == text.string, "seed \(seed)")
  }
}

@Suite("Quantities")
struct QuantityTests {
  @Test(
    "are written with three digits and a fitting unit",
    arguments: [
      (0, Quantity.Unit.none, "0"), (1_234, .none, "1.23k"), (0.0123, .seconds, "12.3ms"), (245, .seconds, "4m05s"),
      (7_800, .seconds, "2h10m"), (4_718_592, .bytes, "4.50MiB"), (12.345, .perSecond, "12.3/s"),
      (99.04, .percent, "99.0%"), (.nan, .none, "-"), (-.infinity, .none, "-Inf"), (8.5e-7, .seconds, "850ns"),
      (1e300, .seconds, "1e+300s"), (-2.5, .none, "-2.50"),
    ] as [(Double, Quantity.Unit, String)])
  func text(value: Double, unit: Quantity.Unit, expected: String) {
    #expect(Quantity.text(value, unit) == expected)
  }
}
