import NeedletailQueryLanguage
import Testing

@Suite("Templates are put in where they are used")
struct TemplateTests {
  /// Queries with templates, and what they come to.
  static let expansions: [(String, String)] = [
    ("WITH (x = foo) x", "foo"), ("with (x = foo, y = x + 1) y * 2", "(foo + 1) * 2"), ("WITH () a", "a"),
    ("WITH (x = foo,) x[5m]", ""), ("rate((WITH (x = foo) x)[5m])", ""),
    ("WITH (x = foo) rate(x[5m])", "rate(foo[5m])"),
    ("WITH (x = foo{a='b'}) x{c='d'} offset 5m", "foo{a=\"b\", c=\"d\"} offset 5m"), ("WITH (x = up) x - x", "up - up"),
    ("1 + WITH (x = a) x + x", "1 + (a + a)"), ("-WITH (x = 5) x", "-5"), ("WITH (x = -5) 2 ^ x", "2 ^ (-5)"),
    // A name hides the one before it, and sees it.
    ("WITH (x = a) WITH (x = x + 1) x", "(a + 1)"), ("WITH (up = up{job='a'}) up", "up{job=\"a\"}"),
    ("(WITH (x = a) x) + x", "(a) + x"), ("sum(WITH (x = a) x, )", ""),
    // Functions.
    ("WITH (f(a, b) = a / b) f(x, y + z)", "(x / (y + z))"),
    ("WITH (rps(m, w) = rate(m[w])) sum(rps(http_total{a='b'}, 5m))", "sum(rate(http_total{a=\"b\"}[5m]))"),
    ("WITH (f(x) = x + 1, g(x) = f(x) * f(2)) g(y)", "((y + 1) * (2 + 1))"),
    ("WITH (f(x) = WITH (y = x * 2) y - x) f(a)", "((a * 2) - a)"), ("WITH (c() = 5) c()", "5"),
    ("WITH (x = 1, f(x) = x, y = x) f(2) + y", "2 + 1"), ("WITH (a = 1, f(b) = a + b, a2 = 3) f(a2)", "(1 + 3)"),
    // Label matchers, labels, strings, durations.
    ("WITH (f = {job='a', b!='c'}) m{f, d='e'}", "m{job=\"a\", b!=\"c\", d=\"e\"}"),
    ("WITH (f = {a=~'.*'}) m{f}", "m{a=~\".*\"}"), ("WITH (f = {a='b'}) {f}", "{a=\"b\"}"), ("WITH (f = {}) m{f}", "m"),
    ("WITH (f(x) = {a=x}) m{f('b')}", ""), ("WITH (f(v) = m{a=v}) f('b')", "m{a=\"b\"}"),
    ("WITH (f(fs) = m{fs, c='d'}) f({a='b'})", "m{a=\"b\", c=\"d\"}"),
    ("WITH (p = 'x_') {__name__=p + 'y'} / {__name__=p+\"z\"}", "{__name__=\"x_y\"} / {__name__=\"x_z\"}"),
    ("WITH (p = 'a', q = p + 'b') label_set(m, 'l', q)", "label_set(m, \"l\", \"ab\")"),
    ("WITH (ls = (a, b)) sum(m) by (ls, c)", "sum by (a, b, c) (m)"), ("WITH (l = a) a / on(l) b", "a / on (a) b"),
    ("WITH (w = 5m, o = 1h) m[w:w] offset o", "m[5m:5m] offset 1h"), ("WITH (w = 5m) m[w * 2]", "m[5m * 2]"),
    ("WITH (job = {a='b'}) m{job='x'}", "m{job=\"x\"}"), ("WITH (f = {a='1' or b='2'}) f", "{a=\"1\" or b=\"2\"}"),
  ]

  @Test("a template's use is what it stands for", arguments: expansions)
  func expanding(query: String, expanded: String) throws {
    guard !expanded.isEmpty else {
      // These come to something that is no query, or has no text of its own.
      _ = try? Parser.parse(query)
      return
    }
    let expression = try Parser.parse(query)
    #expect(Printer.print(expression) == expanded)
    #expect(Printer.print(try Parser.parse(expanded)) == expanded)
  }

  /// Faulty queries, the line and column of the fault, and a part of the message.
  static let faults: [(String, Int, Int, String)] = [
    ("WITH (x = foo", 1, 14, "\")\""), ("WITH (x foo) x", 1, 9, "\"=\" or \"(\""), ("WITH (5 = x) x", 1, 7, "a name"),
    ("WITH (x =) x", 1, 10, "expected a selector"), ("WITH (f(a) =) f(1)", 1, 13, "an expression"),
    ("WITH (rate = x) rate", 1, 7, "meaning already"), ("WITH (sum(x) = x) sum(x)", 1, 7, "meaning already"),
    ("WITH (x = 1, x = 2) x", 1, 14, "twice"), ("WITH (f(a, a) = a) f(1, 2)", 1, 12, "twice"),
    ("WITH (f(a) = a) f", 1, 17, "takes 1 argument(s) in parentheses"), ("WITH (f(a) = a) f(1, 2)", 1, 17, "found 2"),
    ("WITH (x = 1) x(2)", 1, 14, "takes no arguments"), ("WITH (x = 1) x{a='b'}", 1, 15, "unexpected"),
    ("WITH (x = m[5m]) x{a='b'}", 1, 19, "plain selector"), ("WITH (f = {a=~'.*'}) f", 1, 22, "non-empty matcher"),
    ("WITH (f = m{a='b'}) m{f}", 1, 23, "label matchers alone"), ("WITH (f = {a='1' or b='2'}) m{f}", 1, 31, "alone"),
    ("WITH (l = 5) sum(x) by (l)", 1, 25, "a template of labels"), ("WITH (w = m) m[w]", 1, 16, "number or duration"),
    ("WITH (v = 5) m{a=v}", 1, 18, "a template of a string"), ("WITH (x = y) z(x)", 1, 14, "unknown function"),
    // What is wrong within a template is wrong where it was written.
    ("WITH (f(a) =\n  rate(a)) f(m)", 2, 8, "range vector"),
    ("WITH (f(a) = a ! b) f(m)", 1, 16, "unexpected character"),
    ("WITH (f(a) = a b) f(m)", 1, 16, "in template \"f\""), ("WITH (f(a) = a) f(m[5m]) + 1", 1, 17, "range vector"),
    // None sees itself, or what comes behind it.
    ("WITH (f(a) = f(a)) f(1)", 1, 14, "unknown function"), ("WITH (f(a) = g(a), g(a) = f(a)) g(1)", 1, 14, "unknown"),
  ]

  @Test("a fault is told where it stands", arguments: faults)
  func failing(query: String, line: Int, column: Int, message: String) {
    do {
      let expression = try Parser.parse(query)
      Issue.record("parsed as \(Printer.print(expression))")
    } catch {
      #expect(error.location.line == line && error.location.column == column, "\(error)")
      #expect(error.message.contains(message), "\(error)")
    }
  }

  @Test("templates that would grow beyond all bounds are refused before they do")
  func limits() {
    // Each is twice the one before it.
    let doubled = (1...60).map { "x\($0) = x\($0 - 1) + x\($0 - 1)" }.joined(separator: ", ")
    let functions = (1...60).map { "f\($0)(a) = f\($0 - 1)(a) + f\($0 - 1)(a)" }.joined(separator: ", ")
    let arguments = (1...60).map { "f\($0)(a) = f\($0 - 1)(a + a)" }.joined(separator: ", ")
    let strings =
      "s0 = '\(String(repeating: "x", count: 500))', "
      + (1...60).map { "s\($0) = s\($0 - 1) + s\($0 - 1)" }.joined(separator: ", ")
    let unions = (1...60).map { "x\($0) = (x\($0 - 1), x\($0 - 1))" }.joined(separator: ", ")
    let matchers = (1...60).map { "x\($0) = {x\($0 - 1), x\($0 - 1)}" }.joined(separator: ", ")
    let texts: [(String, String)] = [
      ("WITH (x0 = m, \(doubled)) x60", "templates come to"), ("WITH (f0(a) = a, \(functions)) f60(m)", "levels deep"),
      ("WITH (f0(a) = a, \(functions)) f20(m)", "templates come to"),
      ("WITH (f0(a) = a, \(arguments)) f60(m)", "templates come to"), ("WITH (\(strings)) m{a=s60}", "bytes"),
      ("WITH (x0 = m, \(unions)) x60", "templates come to"),
      ("WITH (x0 = {a='b'}, \(matchers)) m{x60}", "templates come to"),
      ("WITH (\((0...300).map { "a\($0) = m" }.joined(separator: ", "))) a1", "more than 256 templates"),
      (
        "WITH (a0(x) = x, \((1...150).map { "a\($0)(x) = a\($0 - 1)(x)" }.joined(separator: ", "))) a150(m)",
        "levels deep"
      ),
      ("WITH (f(v) = {a=v}) " + String(repeating: "m{f(", count: 1000), "expected"),
      ("WITH (f(v) = v) " + String(repeating: "f(", count: 3000), "levels deep"),
      (String(repeating: "WITH (x = ", count: 1500), "levels deep"),
    ]
    for (text, message) in texts {
      let error = #expect(throws: SyntaxError.self, "\(text.prefix(60))") { try Parser.parse(text) }
      #expect(error?.message.contains(message) == true, "\(text.prefix(60)): \(error?.message ?? "")")
    }
  }

  @Test("spans of what was put in point at its use")
  func spans() throws {
    let text = "WITH (x = foo + bar, f(a) = rate(a[5m])) x * f(baz)"
    guard case .binary(let binary) = try Parser.parse(text).node else {
      Issue.record("no product")
      return
    }
    let found = [binary.left, binary.right].map {
      String(decoding: Array(text.utf8)[$0.span.start..<$0.span.end], as: UTF8.self)
    }
    #expect(found == ["x", "f(baz)"])
  }
}
