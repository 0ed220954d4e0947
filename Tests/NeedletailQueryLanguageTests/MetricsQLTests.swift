import NeedletailQueryLanguage
import Testing

@Suite("MetricsQL parses beside PromQL")
struct MetricsQLTests {
  /// Queries, and how the printer writes the tree that they parse to.
  static let spellings: [(String, String)] = [
    // Operators; they bind less strongly than all of PromQL's.
    ("a default b", "a default b"), ("a IF b", "a if b"), ("a ifnot on(x) b", "a ifnot on (x) b"),
    ("a default on(x) group_left b", "a default on (x) b"), ("a if ignoring(x) group_right() b", "a if ignoring (x) b"),
    ("a or b default c if d and e", "a or b default c if d and e"), ("1 default 2", "1 default 2"),
    ("a default 0", "a default 0"), ("default default default", "default default default"),
    ("if if ifnot", "if if ifnot"), ("a[5m:] default b[5m:]", ""),
    // Names that are kept.
    ("rate(m[5m]) keep_metric_names", "rate(m[5m]) keep_metric_names"),
    ("(a + b) Keep_Metric_Names", "(a + b) keep_metric_names"),
    ("a / b keep_metric_names", "(a / b) keep_metric_names"),
    ("((a/b)) keep_metric_names", "(a / b) keep_metric_names"),
    ("abs(a) keep_metric_names / b", "abs(a) keep_metric_names / b"),
    ("(abs(a)) keep_metric_names", "(abs(a) keep_metric_names)"),
    ("(a / b keep_metric_names)[5m:]", "((a / b) keep_metric_names)[5m:]"),
    ("keep_metric_names", "keep_metric_names"), ("sum(abs(x) keep_metric_names)", "sum(abs(x) keep_metric_names)"),
    // Alternatives.
    ("{a=\"1\" or b=\"2\"}", "{a=\"1\" or b=\"2\"}"),
    ("m{a='1', c!='x' OR b=~'2' or or='3',}", "m{a=\"1\", c!=\"x\" or b=~\"2\" or or=\"3\"}"),
    ("{'x', a='1' or 'y'}", "{__name__=\"x\", a=\"1\" or __name__=\"y\"}"), ("m{or='1'}[5m]", "m{or=\"1\"}[5m]"),
    ("{'m', a='1' or b='2'}", "m{a=\"1\" or b=\"2\"}"),
    ("{'m' or __name__=~'n'}", "{__name__=\"m\" or __name__=~\"n\"}"),
    ("rate(m{a='1' or b='2'}[5m])", "rate(m{a=\"1\" or b=\"2\"}[5m])"),
    // Unions, strings, numbers.
    ("(a, b)", "union(a, b)"), ("(a, b + c,)[5m:]", "union(a, b + c)[5m:]"), ("union(1, a)", "union(vector(1), a)"),
    ("'a' + \"b\" + ('c')", "\"abc\""), ("m{a='b' + 'c'}", "m{a=\"bc\"}"),
    ("10K", "10000"), ("1.5Ki", "1536"), ("2MiB + 1MB", "2097152 + 1000000"), ("3G", "3000000000"),
    ("1Ti", "1099511627776"),
    ("1_000K", "1000000"), ("5m", "5m"), ("a > 8Mi", "a > 8388608"),
    // Aggregations.
    ("median(x) by (a)", "median by (a) (x)"), ("any without(a)(x)", "any without (a) (x)"), ("any", "any"),
    ("share by(a)(1)", "share by (a) (vector(1))"),
    ("topk_avg(3, x, 'other=rest') by (a) limit 2", "topk_avg by (a) (3, x, \"other=rest\") limit 2"),
    ("BOTTOMK_LAST(1, x)", "bottomk_last(1, x)"),
    ("quantiles('q', .5, .9, x)", "quantiles(\"q\", 0.5, 0.9, x)"), ("outliers_mad(2, x)", "outliers_mad(2, x)"),
    ("sum(x) by (a) LIMIT 5", "sum by (a) (x) limit 5"), ("sum(limit)", "sum(limit)"),
    ("mode by (a) (x)", "mode by (a) (x)"),
    // Functions.
    ("rollup(m[5m])", "rollup(m[5m])"), ("rollup_candlestick(m[5m], 'open')", "rollup_candlestick(m[5m], \"open\")"),
    (
      "aggr_over_time(('min_over_time', 'rate'), m[5m])", "aggr_over_time(\"min_over_time\", \"rate\", m[5m])"
    ),
    ("aggr_over_time('delta', m[5m])", "aggr_over_time(\"delta\", m[5m])"),
    ("quantiles_over_time('q', 0.1, 0.5, m[1h:])", "quantiles_over_time(\"q\", 0.1, 0.5, m[1h:])"),
    ("count_eq_over_time(m[5m], 3)", "count_eq_over_time(m[5m], 3)"),
    ("label_set(m, 'a', 'b', 'c', 'd')", "label_set(m, \"a\", \"b\", \"c\", \"d\")"),
    ("label_map(m, 'a', 'b', 'c', 'd', 'e')", "label_map(m, \"a\", \"b\", \"c\", \"d\", \"e\")"),
    ("range_quantile(0.5, time())", "range_quantile(0.5, vector(time()))"), ("rand(1) + 2", "rand(1) + 2"),
    ("ttf(a) + ru(a, b)", "ttf(a) + ru(a, b)"), ("lag", "lag"), ("share", "share"), ("with", "with"),
  ]

  @Test("a query prints in one spelling, and that spelling prints as itself", arguments: spellings)
  func printing(query: String, printed: String) throws {
    guard !printed.isEmpty else {
      #expect(throws: SyntaxError.self) { try Parser.parse(query) }
      return
    }
    let expression = try Parser.parse(query)
    #expect(Printer.print(expression) == printed)
    #expect(Printer.print(try Parser.parse(printed)) == printed)
  }

  /// Faulty queries, the column of the fault, and a part of the message.
  static let faults: [(String, Int, String)] = [
    ("a default", 10, "expected a selector"), ("a if fill(0) b", 6, "not allowed for \"if\""),
    ("a default bool b", 11, "bool modifier"), ("a if on(x) group_left(y) b", 12, "no labels allowed"),
    ("a[5m] default b", 1, "range vector"), ("a keep_metric_names", 3, "an operator or the end"),
    ("sum(a) keep_metric_names", 8, "an operator or the end"),
    ("rate(a[5m]) keep_metric_names keep_metric_names", 31, "an operator or the end"),
    ("{a='1' or }", 11, "an alternative without"), ("{a='1' or b=~'.*'}", 1, "non-empty matcher"),
    ("m{a='1' or __name__='x'}", 12, "twice"), ("{a='1' or 5}", 11, "expected label"), ("{a='1' b='2'}", 8, "\"or\""),
    ("logs{a='1' or b='2'}", 12, "\",\" or \"}\""), ("info(a, {b='1' or c='2'})", 16, "\",\" or \"}\""),
    ("(a, 'b')", 5, "instant vector"), ("(a, b", 6, "end of query"), ("()", 2, "expected a selector"),
    ("10k", 1, "bad number"), ("m[10M]", 3, "expected number, duration"), ("'a' - 'b'", 1, "string"),
    ("label_set(m, 'a')", 1, "at least 3"), ("label_set(m, 'a', 'b', 'c')", 1, "the last lacks its fellow"),
    ("label_map(m, 'l', 'a', 'b', 'c')", 1, "the last lacks its fellow"), ("label_del(m)", 1, "at least 2"),
    ("label_match(m, 'a', '(')", 21, "regexp"), ("label_set('m', 'a', 'b')", 11, "instant vector"),
    ("rollup(m[5m], 'avgs')", 15, "expected one of \"min\""), ("rollup(m)", 8, "range vector"),
    ("aggr_over_time(('rate', 'sum'), m[5m])", 25, "name of a function of one range"),
    ("aggr_over_time('absent_over_time', m[5m])", 16, "of one range"), ("aggr_over_time(('rate') m[5m])", 25, "\",\""),
    ("aggr_over_time('quantile_over_time', m[5m])", 16, "of one range"), ("range_quantile(m, 0.5)", 16, "scalar"),
    ("quantiles_over_time('', 0.5, m[5m])", 21, "name of a label"),
    ("quantiles_over_time('q', m[5m])", 1, "at least 3"),
    ("lag(logs{a='b'}[5m])", 5, "of series, not of events"), ("lag(m[5m] anchored)", 5, "anchored modifier"),
    ("quantiles('q', x)", 1, "at least 3"), ("topk_avg(x)", 1, "expected 2"), ("median(1, x)", 1, "expected 1"),
    ("topk_max(1, x, 2)", 16, "string"), ("sum(x) limit", 13, "a whole number"),
    ("sum(x) limit 1.5", 14, "a whole number"),
    ("sum(x) limit -1", 14, "a whole number"), ("rand()", 1, "expected 1 argument"),
    ("label_set(m, 'a', '', '', 'b')", 23, "name of a label"),
    ("label_copy(m, 'a', '')", 20, "name of a label"), ("topk_avg(1, m, '=a')", 16, "name of a label"),
    ("quantiles('', 0.5, m)", 11, "name of a label"),
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

  @Test(
    "every function that PromQL lacks has a line of its own that says what it does, and no function of PromQL has one")
  func summaries() {
    for function in Function.allCases {
      #expect(function.isMetricsQL == (function.summary != nil), "\(function.rawValue)")
    }
    #expect(Function.allCases.count { $0.isMetricsQL } > 90)
    #expect(AggregationOperation.allCases.count { $0.isMetricsQL } == 23)
    // The names that Prometheus knows.
    for name in ["rate", "increase", "changes", "sort_by_label", "range", "step", "info", "quantile_over_time"] {
      #expect(Function(rawValue: name)?.isMetricsQL == false, "\(name)")
    }
  }

  @Test("the precedence of the operators is MetricsQL's")
  func precedence() throws {
    func shape(_ expression: Expression) -> String {
      guard case .binary(let binary) = expression.node else { return Printer.print(expression) }
      return "(\(shape(binary.left)) \(binary.operation.rawValue) \(shape(binary.right)))"
    }
    #expect(shape(try Parser.parse("a default b if c or d")) == "(a default (b if (c or d)))")
    #expect(shape(try Parser.parse("a if b default c ifnot d")) == "((a if b) default (c ifnot d))")
    #expect(shape(try Parser.parse("a if b if c")) == "((a if b) if c)")
    #expect(shape(try Parser.parse("a + b default c * d")) == "((a + b) default (c * d))")
  }

  @Test("a selector by itself yields the conditions of each of its alternatives, the metric's name among them")
  func selectors() throws {
    func names(_ text: String) throws -> [[String]] { try Parser.parseSelectors(text).map { $0.map(\.name) } }
    #expect(try names("{a='1' or b='2', c='3'}") == [["a"], ["b", "c"]])
    #expect(try names("m{a='1' or b='2'}") == [["__name__", "a"], ["__name__", "b"]])
    #expect(try names("m{a='1'}") == [["__name__", "a"]])
    #expect(throws: SyntaxError.self) { try Parser.parseSelectors("m{a='1' or b='2'}[5m]") }
    #expect(throws: SyntaxError.self) { try Parser.parseSelectors("m or n") }
  }
}
