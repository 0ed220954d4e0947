import Testing

@testable import NeedletailQueryLanguage

/// What Prometheus' own printer makes of queries; the long ones are from its documentation of the format.
@Suite("Queries as Prometheus prints them")
struct PrometheusPrinterTests {
  private func pretty(_ text: String) throws -> String {
    PrometheusPrinter(text).pretty(try Parser.parse(text))
  }

  @Test(
    "what fits a line stays in one, in Prometheus' spelling",
    arguments: [
      ("foo/bar", "foo / bar"), ("foo{b=\"1\",  a='2'}", #"foo{a="2",b="1"}"#), ("{a=\"b\"}", #"{a="b"}"#),
      ("sum by(job,instance)(rate(x[300s]))", "sum by (job, instance) (rate(x[5m]))"),
      ("sum(x) by (a)", "sum by (a) (x)"), ("sum without()(x)", "sum without () (x)"), ("sum by () (x)", "sum(x)"),
      ("topk(3,x)", "topk(3, x)"), ("a +on(x) group_left(y) b", "a + on (x) group_left (y) b"),
      ("a*on(x) group_right b", "a * on (x) group_right () b"), ("a + ignoring() b", "a + b"),
      ("a > bool 1", "a > bool 1"), ("a + fill(0) b", "a + fill (0) b"),
      ("a + fill_left(1e-9) fill_right(2) b", "a + fill_left (1e-09) fill_right (2) b"),
      ("x[1h30m:]", "x[1h30m:]"), ("x[1d:5m] @ 1609746000.5 offset -1w", "x[1d:5m] @ 1609746000.500 offset -1w"),
      ("x offset 5m @ start()", "x @ start() offset 5m"), ("x[5m] anchored @ end()", "x[5m] anchored @ end()"),
      ("x smoothed @ 0", "x @ 0.000 smoothed"), ("-x", "-x"), ("+1", "1"), ("-1", "-1"), ("1e3", "1000"),
      ("1e-7", "0.0000001"), ("1.5e22", "15000000000000000000000"), ("Inf", "+Inf"), ("nan", "NaN"), ("5m", "5m"),
      (#""a\tb\u00e9""#, #""a\tbé""#), (#"{"my.name",a="b"}"#, #"{__name__="my.name",a="b"}"#),
      (#"{"foo"}"#, #"{__name__="foo"}"#), (#"foo{"a.b"="c"}"#, #"foo{"a.b"="c"}"#),
      ("x[2*step()]", "x[2 * step()]"), ("x offset (1h/2)", "x offset (1h / 2)"),
    ])
  func lines(_ text: String, _ wanted: String) throws {
    #expect(try pretty(text) == wanted)
    #expect(try pretty(wanted) == wanted, "what was printed is printed the same")
  }

  @Test("what is longer is broken where it has parts, each by two spaces deeper")
  func breaks() throws {
    let long = String(repeating: "a", count: 60)
    let query = "sum by (job) (rate(\(long)_total[5m]) / on (job) group_left \(long)_info)"
    #expect(
      try pretty(query) == """
        sum by (job) (
            rate(\(long)_total[5m])
          / on (job) group_left ()
            \(long)_info
        )
        """)
    let nested = "(topk(5, max_over_time(\(long)[5m:1m])) + -abs(\(long)))"
    #expect(
      try pretty(nested) == """
        (
            topk(5, max_over_time(\(long)[5m:1m]))
          +
            -abs(\(long))
        )
        """)
    let quantile = "histogram_quantile(0.9, sum by (le, \(long)) (rate(\(long)[5m])))"
    #expect(
      try pretty(quantile) == """
        histogram_quantile(
          0.9,
          sum by (le, \(long)) (
            rate(\(long)[5m])
          )
        )
        """)
  }
}
