import Logging
import NeedletailEnvironment
import NeedletailOTLP
import Testing

@testable import NeedletailNode

@Suite("What requests are written in")
struct RequestTextTests {
  @Test(
    "times are seconds or RFC 3339",
    arguments: [
      ("1435781430.781", 1_435_781_430_781), ("2015-07-01T20:10:30.781Z", 1_435_781_430_781),
      ("2015-07-01T21:10:30.781+01:00", 1_435_781_430_781), ("1970-01-01T00:00:00Z", 0), ("-1.5", -1500),
      ("2024-02-29T12:00:00Z", 1_709_208_000_000), ("yesterday", nil), ("1e400", nil), ("nan", nil), ("", nil),
      ("2015-07-01", nil), ("2015-13-01T00:00:00Z", nil),
    ] as [(String, Int64?)])
  func times(text: String, milliseconds: Int64?) {
    #expect(Timestamp.milliseconds(text) == milliseconds)
  }

  @Test("RFC 3339 is written as it is read, for every day of four centuries")
  func calendar() {
    for day in stride(from: -40_000, through: 60_000, by: 13) {
      let milliseconds = Int64(day) * 86_400_000 + 12_345_678
      #expect(Timestamp.milliseconds(Timestamp.rfc3339(milliseconds: milliseconds)) == milliseconds)
    }
  }

  @Test("short numbers are seconds to Loki, long ones nanoseconds")
  func lokiTimes() {
    #expect(Timestamp.nanoseconds("1700000000") == 1_700_000_000_000_000_000)
    #expect(Timestamp.nanoseconds("1700000000123456789") == 1_700_000_000_123_456_789)
    #expect(Timestamp.nanoseconds("1700000000.5") == 1_700_000_000_500_000_000)
  }

  @Test("forms are decoded, wrong percent signs stay")
  func forms() {
    var parameters = FormParameters()
    parameters.add("query=up%7Bjob%3D%22a+b%22%7D&match[]=a&match[]=b&empty=&x=%zz%4")
    #expect(parameters["query"] == "up{job=\"a b\"}")
    #expect(parameters.all("match[]") == ["a", "b"])
    #expect(parameters["empty"] == nil)
    #expect(parameters["x"] == "%zz%4")
  }

  @Test(
    "every path that clients use has its route",
    arguments: [
      ("/v1/metrics", .otlp(.metrics)), ("/api/v1/otlp/v1/traces", .otlp(.traces)), ("/otlp/v1/logs", .otlp(.logs)),
      ("/opentelemetry/v1/metrics", .otlp(.metrics)), ("/insert/opentelemetry/v1/logs", .otlp(.logs)),
      ("/api/v1/write", .remoteWrite), ("/api/v1/push", .remoteWrite), ("/prometheus/api/v1/write", .remoteWrite),
      ("/api/v1/query", .prometheus(.query)), ("/prometheus/api/v1/query_range", .prometheus(.queryRange)),
      ("/api/v1/series/", .prometheus(.series)), ("/api/v1/labels", .prometheus(.labels)),
      ("/api/v1/metadata", .prometheus(.metadata)), ("/api/v1/format_query", .prometheus(.formatQuery)),
      ("/api/v1/query_exemplars", .prometheus(.queryExemplars)), ("/api/v1/rules", .prometheus(.empty(.rules))),
      ("/prometheus/api/v1/status/buildinfo", .prometheus(.buildInformation)),
      ("/api/v1/admin/tsdb/snapshot", .needletail(.snapshot)), ("/query", nil), ("/api/v1/status", nil),
      ("/api/v1/label/job/values", .prometheus(.labelValues("job"))),
      ("/api/v1/label/U__http_2e_status__code/values", .prometheus(.labelValues("http.status_code"))),
      ("/api/v1/label/%ff/values", .prometheus(.labelValues(nil))),
      ("/loki/api/v1/label/service_name/values", .loki(.labelValues("service_name"))),
      ("/tempo/api/traces/0af7", .tempo(.trace("0af7"))),
      ("/tempo/api/v2/traces/0af7", .tempo(.toldTrace("0af7"))), ("/tempo/api/search", .tempo(.search)),
      ("/-/healthy", .healthy), ("/-/ready/", .ready), ("/metrics", .ownMetrics), ("/", nil), ("/api/v1/nothing", nil),
      ("/v2/metrics", nil), ("/x/v1/metrics", nil),
    ] as [(String, Route?)])
  func routes(path: String, route: Route?) {
    #expect(Route(path: path) == route)
  }

  @Test("tags are pairs of names and values, which may be quoted")
  func logfmt() throws {
    let pairs = try Logfmt.pairs(#" service.name=cart  error="it \"broke\" badly" empty="" "#)
    #expect(pairs.map(\.key) == ["service.name", "error", "empty"])
    #expect(pairs.map(\.value) == ["cart", #"it "broke" badly"#, ""])
    #expect(throws: (any Error).self) { try Logfmt.pairs("novalue") }
    #expect(throws: (any Error).self) { try Logfmt.pairs("a=\"open") }
  }

  @Test("a log line is one line whatever is logged")
  func logLines() {
    let lines = Lock<[UInt8]>([])
    var logger = Logger(
      label: "test", factory: { LogfmtHandler(label: $0) { line in lines.withLock { $0 += line } } })
    logger[metadataKey: "bad key\n"] = "a\u{1b}[31m\nlevel=forged"
    logger.info("hello \"world\"\r\n")
    let text = lines.withLock { String(decoding: $0, as: UTF8.self) }
    #expect(text.utf8.filter { $0 < 32 } == [10])
    #expect(text.contains(#"message="hello \"world\"\r\n""#), "\(text)")
    #expect(text.contains(#"bad_key_="a\u{1b}[31m\nlevel=forged""#), "\(text)")
  }
}
