import NeedletailDashboard
import Testing

@testable import NeedletailCLI

@Suite("Answers of servers")
struct AnswerTests {
  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test("JSON is read exactly, with 64-bit numbers, escapes and surrogates")
  func json() throws {
    let json = try JSON(
      parsing: bytes(#" {"a":[1700000000123456789,-1.5e3,true,null],"b":"x\n\u00e9\ud83d\ude80\ud800"} "#))
    #expect(json["a"]?.array.first?.integer == 1_700_000_000_123_456_789)
    #expect(json["a"]?.array[1].double == -1_500)
    #expect(json["b"]?.string == "x\né🚀\u{FFFD}")
  }

  @Test(
    "what is not JSON is refused and never crashes",
    arguments: [
      "", "{", "[1,]", "{\"a\"}", "tru", "1 2", "\"\u{1}\"", "\"\\u12\"", "+1", "--1", "{\"a\":1,}", "nan", "\"\\x\"",
      String(repeating: "[", count: 100_000),
      String(repeating: "{\"a\":", count: 70) + "1" + String(repeating: "}", count: 70),
    ])
  func notJSON(text: String) {
    #expect(throws: JSON.Malformed.self) { try JSON(parsing: Array(text.utf8)) }
  }

  @Test("an expression that selects log records is told so, not counted as histograms") func streams() {
    let body = bytes(#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[]}]}}"#)
    #expect(throws: APIFailure.selectsEvents) { try Answers.series(body, path: "/q") }
  }

  @Test("vectors, matrices and scalars become series, special values included")
  func series() throws {
    let vector = try Answers.series(
      bytes(
        #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[1700000000.5,"+Inf"]},{"metric":{},"histogram":[1,{"count":"3","sum":"-0","buckets":[[3,"-0.5","0.5","1"],[0,"1","+Inf","2"]]}]},{"metric":{},"histogram":[1,{}]}]},"warnings":["w"]}"#
      ), path: "/q")
    #expect(vector.series.map(\.name) == ["up{job=\"a\"}", "{}"])
    #expect(vector.series[0].points == [.init(time: 1_700_000_000.5, value: .infinity)])
    #expect(
      vector.series[1].histograms.map { $0.text(PrometheusNumber.text) }
        == ["{count:3, sum:-0, [-0.5,0.5]:1, (1,+Inf]:2}"])
    #expect(vector.warnings == ["w"] && !vector.isMatrix)
    let matrix = try Answers.series(
      bytes(#"{"data":{"resultType":"matrix","result":[{"metric":{"job":"a"},"values":[[1,"2"],[2,"3"]]}]}}"#),
      path: "/q")
    #expect(matrix.series[0].points.map(\.value) == [2, 3] && matrix.isMatrix)
    let scalar = try Answers.series(bytes(#"{"data":{"resultType":"scalar","result":[1,"2"]}}"#), path: "/q")
    #expect(scalar.series[0].points.map(\.value) == [2])
  }

  @Test("lists tell what they lack")
  func listWarnings() throws {
    let body = bytes(#"{"status":"success","data":[],"warnings":["the answer is incomplete: w"],"infos":["i"]}"#)
    #expect(try Answers.names(body, path: "/l").isEmpty)
    #expect(try Answers.warnings(body, path: "/l") == ["the answer is incomplete: w", "i"])
    #expect(try Answers.warnings(bytes(#"{"status":"success","data":["a"]}"#), path: "/l").isEmpty)
  }

  @Test("traces tell what they lack")
  func lack() throws {
    let partial = bytes(#"{"traces":[],"status":"PARTIAL","message":"too few ready replicas"}"#)
    #expect(try Answers.lack(partial, path: "/t") == "the answer is incomplete: too few ready replicas")
    #expect(try Answers.lack(bytes(#"{"traces":[],"coverage":{"partial":false}}"#), path: "/t") == nil)
  }

  @Test("log streams become one list, structured metadata included")
  func logs() throws {
    let logs = try Answers.logs(
      bytes(
        #"{"data":{"resultType":"streams","result":[{"stream":{"service_name":"cart","level":"ERROR"},"values":[["1700000000123456789","boom",{"trace_id":"abc"}],["1","x"]]}]}}"#
      ), path: "/l")
    #expect(logs.count == 2)
    #expect(logs[0].time == 1_700_000_000_123_456_789 && logs[0].traceID == "abc" && logs[0].severity == .error)
    #expect(throws: APIFailure.self) {
      try Answers.logs(bytes(#"{"data":{"resultType":"matrix","result":[]}}"#), path: "/l")
    }
  }

  @Test("the answer to a query is series or log records; spans are told how to be seen")
  func results() throws {
    let streams = #"{"data":{"resultType":"streams","result":[{"stream":{},"values":[["5","line"]]}]}}"#
    guard case .logs(let logs) = try Answers.result(bytes(streams), path: "/q") else {
      Issue.record("no logs")
      return
    }
    #expect(logs.map(\.body) == ["line"])
    let scalar = try Answers.result(bytes(#"{"data":{"resultType":"scalar","result":[1,"2"]}}"#), path: "/q")
    guard case .series(let numbers) = scalar else {
      Issue.record("no series")
      return
    }
    #expect(numbers.series.count == 1)
    #expect(throws: APIFailure.selectsEvents) {
      try Answers.result(bytes(#"{"data":{"resultType":"spans","result":[]}}"#), path: "/q")
    }
  }

  @Test("the answer to a query may be a text")
  func text() throws {
    let hello = try Answers.result(bytes(#"{"data":{"resultType":"string","result":[1,"hello"]}}"#), path: "/q")
    #expect(hello == .text("hello"))
    #expect(throws: APIFailure.self) {
      try Answers.result(bytes(#"{"data":{"resultType":"string","result":[]}}"#), path: "/q")
    }
  }

  @Test("a found trace is read with what Tempo tells, and with what our own server adds")
  func foundTraces() throws {
    let plain = #"{"traceID":"a","rootServiceName":"s","rootTraceName":"n","startTimeUnixNano":"5","durationMs":2}"#
    let ours =
      #"{"traceID":"b","durationMs":0,"durationNanos":"93000","errorCount":2,"failedServiceName":"cart","failedSpanName":"GET"}"#
    let found = try Answers.traces(bytes(#"{"traces":[\#(plain),\#(ours)]}"#), path: "/t")
    #expect(
      found == [
        TraceSummary(id: "a", rootService: "s", rootName: "n", start: 5, duration: 2_000_000),
        TraceSummary(
          id: "b", rootService: "", rootName: "", start: 0, duration: 93_000, errorCount: 2, failedService: "cart",
          failedName: "GET"),
      ])
  }

  @Test("a trace is read under batches and under resourceSpans", arguments: ["batches", "resourceSpans"])
  func trace(key: String) throws {
    let body = #"""
      {"\#(key)":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"payment"}}]},"scopeSpans":[{"spans":[
      {"spanId":"b","parentSpanId":"a","name":"charge","startTimeUnixNano":"1700000000000000005","endTimeUnixNano":1700000000000000009,
       "status":{"code":2,"message":"declined"},"attributes":[{"key":"n","value":{"intValue":"7"}},{"key":"l","value":{"arrayValue":{"values":[{"boolValue":true}]}}}],
       "events":[{"name":"exception","attributes":[{"key":"exception.message","value":{"stringValue":"no"}}]}]},
      {"spanId":"a","name":"root","startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000000000010","status":{"code":"STATUS_CODE_OK"}}]}]}]}
      """#
    let trace = try Answers.trace(bytes(body), id: "t", path: "/t")
    #expect(trace.tree.map(\.span.name) == ["root", "charge"])
    let charge = trace.tree[1].span
    #expect(
      charge.isError && charge.message == "declined" && charge.service == "payment" && charge.end - charge.start == 4)
    #expect(charge.attributes.map(\.value) == ["7", "[true]", "exception.message=no"])
    #expect(!trace.tree[0].span.isError && trace.duration == 10)
  }

  @Test("searches give summaries")
  func search() throws {
    let traces = try Answers.traces(
      bytes(
        #"{"traces":[{"traceID":"ab","rootServiceName":"f","rootTraceName":"GET /","startTimeUnixNano":"5","durationMs":250}]}"#
      ),
      path: "/s")
    #expect(traces == [TraceSummary(id: "ab", rootService: "f", rootName: "GET /", start: 5, duration: 250_000_000)])
  }

  @Test("an answer of another shape is an error that names the path", arguments: ["", "<html>", "[]", "{\"data\":5}"])
  func anotherShape(text: String) {
    for read in [
      { _ = try Answers.series($0, path: "/api/x") }, { _ = try Answers.names($0, path: "/api/x") },
      { _ = try Answers.logs($0, path: "/api/x") }, { _ = try Answers.traces($0, path: "/api/x") },
      { _ = try Answers.trace($0, id: "", path: "/api/x") },
    ] as [([UInt8]) throws -> Void] {
      #expect { try read(Array(text.utf8)) } throws: { "\($0)".contains("/api/x") }
    }
  }

  @Test("errors say what, where and what to do")
  func failures() {
    #expect(
      APIFailure.unreachable(server: "http://h:1", reason: "no host of that name is known").description
        == "cannot reach http://h:1: no host of that name is known")
    #expect(APIClient.message(Array(#"{"status":"error","error":"bad \"query\""}"#.utf8)) == "bad \"query\"")
    #expect(APIClient.message(Array("plain\nmore".utf8)) == "plain")
    #expect(APIClient.message([]) == "no reason given")
  }
}
