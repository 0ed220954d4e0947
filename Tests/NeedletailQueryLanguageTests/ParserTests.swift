import NeedletailQueryLanguage
import Testing

@Suite("Queries parse")
struct ParserTests {
  /// Queries, and how the printer writes the tree that they parse to.
  static let spellings: [(String, String)] = [
    ("1", "1"), ("0x1F", "31"), ("1_000.5", "1000.5"), ("1e3", "1000"), (".5", "0.5"), ("5.", "5"), ("+Inf", "Inf"),
    ("-inf", "-Inf"), ("nan", "NaN"), ("017", "15"), ("5m", "5m"), ("1h30m", "1h30m"), ("90m", "1h30m"),
    ("\"a\\n\\x41\\u00e9\"", "\"a\\nAé\""), ("'it\\'s'", "\"it's\""), ("`a\\n`", "\"a\\\\n\""),
    ("foo", "foo"), ("foo{}", "foo"), ("foo{a=\"b\",}", "foo{a=\"b\"}"), ("job:rate:5m", "job:rate:5m"),
    ("{__name__=~\"a.*\"}", "{__name__=~\"a.*\"}"), ("{\"a.b\", c!~\"d\"}", "{\"a.b\", c!~\"d\"}"),
    ("{\"plain\"}", "plain"), ("foo{\"a b\"=\"c\"}", "foo{\"a b\"=\"c\"}"), ("sum", "sum"), ("by", "{\"by\"}"),
    ("foo[5m]", "foo[5m]"), ("foo[300]", "foo[5m]"), ("foo offset 5m", "foo offset 5m"),
    ("foo offset -1h", "foo offset -1h"), ("foo @ 1.5", "foo @ 1.500"), ("foo @ start()", "foo @ start()"),
    ("foo[5m] @ end() offset 1d", "foo[5m] @ end() offset 1d"), ("foo[1h:]", "foo[1h:]"),
    ("rate(foo[5m])[1h:30s] offset 1m", "rate(foo[5m])[1h:30s] offset 1m"),
    ("h</2>/-1", "h </ 2 >/ -1"), ("histogram_quantiles(h, 'q', 0.5, 0.9)", "histogram_quantiles(h, \"q\", 0.5, 0.9)"),
    ("info(a)", "info(a)"), ("info(a, {})", "info(a, {})"),
    ("info(rate(a[5m]),{b=~'.*', __name__='c_info',})", "info(rate(a[5m]), {b=~\".*\", __name__=\"c_info\"})"),
    ("foo[1001ms]", "foo[1s1ms]"), ("a + fill(0) b", "a + fill(0) b"),
    ("a + on(x) Fill_right(-1) FILL_LEFT(2) b", "a + on (x) fill_left(2) fill_right(-1) b"),
    ("increase(foo[1m] ANCHORED)", "increase(foo[1m] anchored)"), ("foo smoothed", "foo smoothed"),
    ("foo offset 5m Smoothed @ 1 + 0", "foo smoothed @ 1.000 offset 5m + 0"),
    ("rate((foo smoothed[1m]))", "rate((foo[1m] smoothed))"),
    ("delta(foo[1m] @ end() anchored)", "delta(foo[1m] anchored @ end())"),
    ("smoothed smoothed", "smoothed smoothed"),
    ("sum by (anchored) (anchored{a='1'})", "sum by (anchored) (anchored{a=\"1\"})"),
    ("(foo smoothed)[1h:]", "(foo smoothed)[1h:]"),
    ("fill + fill(0) fill", "fill + fill(0) fill"), ("a + fill{x='1'}", "a + fill{x=\"1\"}"),
    ("foo[2m*(1+step())]", "foo[2m * (1 + step())]"), ("foo[1h:Range() / 60]", "foo[1h:range() / 60]"),
    ("foo offset -min_of(step(),1h) + 2", "foo offset -min_of(step(), 1h) + 2"),
    ("foo offset (1h/2) ^ 2", "foo offset (1h / 2) ^ 2"),
    ("a+b*c^d^e", "a + b * c ^ d ^ e"), ("-a^2", "-a ^ 2"), ("-1^2", "-1 ^ 2"), ("- 5", "-5"), ("+a", "+a"),
    ("a AND b or c unless d", "a and b or c unless d"), ("a == bool b", "a == bool b"),
    ("a / on(x,) group_left(y) b", "a / on (x) group_left (y) b"), ("a atan2 ignoring(x) b", "a atan2 ignoring (x) b"),
    ("a*on()group_right()b", "a * on () group_right () b"),
    ("sum by(a,b)(x)", "sum by (a, b) (x)"), ("sum(x)without(a)", "sum without (a) (x)"), ("SUM(x)", "sum(x)"),
    ("topk(3, x)", "topk(3, x)"), ("count_values(\"v\", x)", "count_values(\"v\", x)"),
    (
      "histogram_quantile(.9, sum by (le) (rate(x_bucket[5m])))",
      "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))"
    ),
    ("time() # now", "time()"),
    ("label_replace(x, 'a', '$1', 'b', '(.*)')", "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\")"),
    ("logs{a=\"b\"} |= \"x\" !~ \"y\"", "logs{a=\"b\"} |= \"x\" !~ \"y\""),
    ("rate(logs{a=\"b\"} |= 'x' or 'y' [5m])", "rate(logs{a=\"b\"} |= \"x\" or \"y\" [5m])"),
    (
      "quantile_over_time(0.99, spans{s=\"c\"} | unwrap duration [5m]) by (route)",
      "quantile_over_time(0.99, spans{s=\"c\"} | unwrap duration [5m]) by (route)"
    ),
    ("spans{} | duration > 1.5s and (a=\"b\" or c<10KB)", "spans{} | (duration > 1.5s and (a=\"b\" or c < 10KB))"),
    (
      "logs{a=\"b\"} | json x=\"y.z\", w | logfmt | drop a, b", "logs{a=\"b\"} | json x=\"y.z\", w | logfmt | drop a, b"
    ),
    ("logs", "{\"logs\"}"), ("1 * on () a", "1 * a"), ("a - ignoring() 1", "a - 1"),
  ]

  @Test("a query prints in one spelling, and that spelling prints as itself", arguments: spellings)
  func printing(query: String, printed: String) throws {
    let expression = try Parser.parse(query)
    #expect(Printer.print(expression) == printed)
    let again = try Parser.parse(printed)
    #expect(Printer.print(again) == printed)
  }

  /// Faulty queries, the column of the fault, and a part of the message.
  static let faults: [(String, Int, String)] = [
    ("", 1, "no expression"), ("sum(", 5, "end of query"), ("1 + ", 5, "expected a selector"),
    ("foo{a=}", 7, "expected string"), ("foo{a}", 6, "expected one of"), ("foo[5m", 7, "\"]\""),
    ("foo[0s]", 5, "greater than 0"), ("foo[5m] + 1", 1, "range vector"), ("{}", 1, "non-empty matcher"),
    ("{a=~\".*\"}", 1, "non-empty matcher"), ("foo{a=~\"(\"}", 5, "regexp"), ("rate(foo)", 6, "range vector"),
    ("abs(foo, bar)", 1, "expected 1 argument"), ("nope(foo)", 1, "unknown function"), ("1 == 2", 3, "bool"),
    ("foo + bool bar", 7, "bool"), ("foo and 1", 5, "set operator"),
    ("foo and on(a) group_left bar", 15, "no grouping"),
    ("info(a, b)", 9, "label matchers in braces"), ("info(a, ({b='c'}))", 9, "label matchers in braces"),
    ("info(a, {'b'})", 9, "found the metric name"), ("info(a, {b='c'} offset 5m)", 17, "unexpected"),
    ("info(a, {b='c'}[5m])", 16, "unexpected"), ("info(a, {}, b)", 1, "at most 2"), ("info()", 1, "at least 1"),
    ("info(a[5m])", 6, "instant vector"), ("info(a, {b=~'('})", 10, "regexp"),
    ("1 </ 2", 3, "histogram on its left"), ("a and fill(0) b", 7, "set operators"),
    ("a + fill(0) 1", 5, "instant vectors"), ("a + fill(x) b", 10, "number"),
    ("a + fill(0) fill(1) b", 13, "unknown function"), ("foo[5m-300]", 5, "greater than 0"),
    ("foo[1h/0]", 5, "division by zero"), ("foo[1 % (2-2)]", 5, "modulo by zero"),
    ("foo[9e99 * 2]", 5, "out of range"), ("foo[0/1]", 5, "greater than 0"), ("foo[(-1)^0.5]", 5, "NaN"),
    ("deriv(foo[3m] smoothed)", 7, "smoothed modifier can only be used with: delta, increase, rate - not with deriv"),
    (
      "irate((foo[3m] anchored))", 7,
      "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with irate"
    ),
    ("resets(foo[3m] smoothed)", 8, "not with resets"), ("foo smoothed anchored", 14, "cannot be used together"),
    ("foo smoothed smoothed", 14, "multiple"), ("foo[1h:] anchored", 1, "not supported for subqueries"),
    ("rate(foo[1m]) smoothed", 1, "preceded by a selector"),
    ("rate(logs{a=\"b\"}[1m] smoothed)", 6, "selector of series"),
    ("foo[min_of(1)]", 13, "\",\""), ("foo[rate(x)]", 5, "step()"),
    ("foo offset", 11, "duration"), ("1 offset 5m", 1, "preceded by"), ("foo offset 1m offset 2m", 15, "multiple"),
    ("(foo)[5m]", 6, "only allowed for selectors"), ("\"abc", 1, "unterminated"),
    ("foo $ bar", 5, "unexpected character"),
    ("5mm", 1, "bad number"), ("{__name__=\"a\"} }", 16, "unexpected"), ("foo{__name__=\"b\"}", 5, "twice"),
    ("topk(foo)", 1, "expected 2"), ("logs{a=\"b\"} |= 5", 16, "expected string"), ("rate(logs{a=\"b\"})", 6, "range"),
    ("logs{a=\"b\"} | frobnicate", 15, "a stage such as"), ("bytes_rate(foo[5m])", 1, "log lines"),
    ("a + on(x) 1", 5, "only allowed between"), ("a\n +\n  )", 3, "expected a selector"),
    ("on", 1, "expected a selector"), ("a + (Bool)", 6, "expected a selector"),
    ("atan2{a=\"b\"}", 1, "expected a selector"),
  ]

  @Test("a faulty query fails at its fault, and the message says what was expected", arguments: faults)
  func failing(query: String, column: Int, message: String) {
    do {
      let expression = try Parser.parse(query)
      Issue.record("parsed as \(Printer.print(expression))")
    } catch {
      #expect(error.location.column == column, "\(error)")
      #expect(error.message.contains(message), "\(error)")
    }
  }

  @Test("an error shows the line with carets under the fault")
  func rendering() {
    let error = #expect(throws: SyntaxError.self) { try Parser.parse("sum(foo)\n  by (a, 5)") }
    #expect(
      error?.rendered == """
        2:10: parse error: unexpected number "5" in grouping, expected label
            by (a, 5)
                   ^
        """)
  }

  @Test("texts that are too long, too nested or too chained are refused")
  func limits() {
    let texts = [
      String(repeating: "a", count: Parser.textLengthMax + 1),
      String(repeating: "(", count: 8000), String(repeating: "-", count: 8000) + "1",
      "a" + String(repeating: "+a", count: 8000), "a" + String(repeating: "^a", count: 8000),
      "spans{} | a=1" + String(repeating: " or a=1", count: 1000), "spans{} | " + String(repeating: "(", count: 5000),
      "a" + String(repeating: "[1m:]", count: 3000),
    ]
    for text in texts { #expect(throws: SyntaxError.self) { try Parser.parse(text) } }
    #expect(throws: Never.self) { try Parser.parse("a" + String(repeating: "+a", count: 300)) }
    #expect(throws: Never.self) {
      try Parser.parse(String(repeating: "(", count: 90) + "a" + String(repeating: ")", count: 90))
    }
  }

  @Test("spans of nodes point at their text")
  func spans() throws {
    let text = "sum by (a) (rate(foo[5m])) / 2"
    let expression = try Parser.parse(text)
    var found: [String] = []
    expression.walk { node in
      found.append(String(decoding: Array(text.utf8)[node.span.start..<node.span.end], as: UTF8.self))
    }
    #expect(found == [text, "sum by (a) (rate(foo[5m]))", "rate(foo[5m])", "foo[5m]", "2"])
  }

  @Test("LogQL lowers to the same tree as the logs selector")
  func logQL() throws {
    let pairs = [
      ("{a=\"b\"} |= \"x\"", "logs{a=\"b\"} |= \"x\""),
      ("sum by (c) (rate({a=\"b\"}[5m] |= \"x\"))", "sum by (c) (rate(logs{a=\"b\"} |= \"x\" [5m]))"),
      ("vector(1)+vector(1)", "vector(1) + vector(1)"),
    ]
    for (logQL, promQL) in pairs {
      #expect(Printer.print(try LogQLParser.parse(logQL)) == Printer.print(try Parser.parse(promQL)))
    }
    #expect(throws: SyntaxError.self) { try LogQLParser.parse("foo") }
    #expect(throws: SyntaxError.self) { try LogQLParser.parse("{a=~\".*\"}") }
  }
}
