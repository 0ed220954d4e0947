import NeedletailTerminal
import Testing

@testable import NeedletailCLI

@Suite("Plans of queries, as they are printed")
struct PlanOutputTests {
  private func text(_ json: String) throws -> String {
    try PlanOutput(Array(json.utf8), path: "/x").lines(.utc).map(\.string).joined(separator: "\n")
  }

  @Test("a range's plan tells its steps, its parts, and what each reads")
  func range() throws {
    let plan = #"""
      {"status":"success","data":{"expression":"topk(2, sum by (job) (rate(m{a=\"b\"}[5m])) / vector(1))",
      "type":"instant vector","steps":{"start":0,"end":3600000,"interval":15000,"count":241},"cache":"used",
      "nodes":[{"depth":0,"text":"topk 2"},{"depth":1,"text":"/"},{"depth":2,"text":"sum by (job)"},
      {"depth":3,"text":"rate"},{"depth":4,"text":"m{a=\"b\"}[5m]","read":0},{"depth":2,"text":"vector 1"}],
      "reads":[{"matchers":["__name__=\"m\"","a=\"b\""],"start":-299999,"end":3600000,"reach":300000,
      "function":"rate","labels":["job","__name__"],"tasks":2}]}}
      """#
    #expect(
      try text(plan) == #"""
        topk(2, sum by (job) (rate(m{a="b"}[5m])) / vector(1))
        instant vector, 241 steps of 15s from 1970-01-01T00:00:00.000Z to 1970-01-01T01:00:00.000Z
        kept steps: used where nothing has changed since

        topk 2
          /
            sum by (job)
              rate
                m{a="b"}[5m]  <- read 1
            vector 1

        read 1: {__name__="m", a="b"}
          samples  1969-12-31T23:55:00.001Z to 1970-01-01T01:00:00.000Z
          reach    5m a step
          for      rate
          labels   job, __name__, no others
          tasks    up to 2, where it finds many series
        """#)
  }

  @Test("an instant's plan has no steps to keep")
  func instant() throws {
    let plan = #"""
      {"status":"success","data":{"expression":"up","type":"instant vector","steps":{"start":1000,"end":1000,
      "interval":0,"count":1},"cache":"one step","nodes":[{"depth":0,"text":"up","read":0}],"reads":[{"matchers":
      ["__name__=\"up\""],"start":1,"end":1000,"reach":90061001,"tasks":1}]}}
      """#
    #expect(
      try text(plan) == #"""
        up
        instant vector, at 1970-01-01T00:00:01.000Z

        up  <- read 1

        read 1: {__name__="up"}
          samples  1970-01-01T00:00:00.001Z to 1970-01-01T00:00:01.000Z
          reach    1d1h1m1s1ms a step
          labels   all
          tasks    1
        """#)
  }

  @Test("what is no plan is told as such, and control characters of the query are not printed")
  func hostile() throws {
    #expect(throws: APIFailure.self) { try text(#"{"status":"success","data":{}}"#) }
    #expect(throws: APIFailure.self) { try text("{") }
    let plan = #"""
      {"data":{"expression":"\u001b[2J","type":"string","steps":{"start":0,"end":0,"interval":0,"count":1},
      "nodes":[{"depth":999999999999,"text":"\u001b[2J"}]}}
      """#
    #expect(!(try text(plan)).contains("\u{1B}"))
  }
}
