import NeedletailDashboard
import Testing

@Suite("Series of answers")
struct SeriesResultTests {
  private static let names: [([(name: String, value: String)], String)] = [
    ([("__name__", "up"), ("job", "a")], #"up{job="a"}"#), ([("__name__", "a:b")], "a:b"), ([], "{}"),
    ([("job", "say \"hi\"\n\\")], #"{job="say \"hi\"\n\\"}"#),
    ([("__name__", "http.time"), ("service.name", "é\u{202E}\u{7}")], #"{"http.time", "service.name"="é\u202e\a"}"#),
  ]

  @Test("are named as PromQL writes a selector, so that two names never look the same", arguments: names)
  func name(labels: [(name: String, value: String)], expected: String) {
    #expect(SeriesResult(labels: labels, points: []).name == expected)
  }

  @Test("tell numbers and histograms in the order of time")
  func samples() {
    let histogram = HistogramPoint(time: 2, count: 1, sum: 1, buckets: [])
    let result = SeriesResult(
      labels: [], points: [.init(time: 1, value: 5), .init(time: 3, value: 6)], histograms: [histogram])
    #expect(result.samples.map(\.time) == [1, 2, 3])
    #expect(result.samples.map(\.value) == [.number(5), .histogram(histogram), .number(6)])
  }
}
