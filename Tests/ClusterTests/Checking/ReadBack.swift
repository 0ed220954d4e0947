import Foundation
import NeedletailEnvironment
import NeedletailProcesses

/// Reads what a run wrote from one node.
struct ReadBack: Sendable {
  enum Consistency: String, Sendable, CaseIterable { case one, quorum, all }

  /// What an answer has, and what it says of how whole it is.
  struct Answer: Sendable {
    var entries: [Entry]
    /// The value of `Needletail-Coverage`; nil where the answer has none.
    var coverage: String?

    /// Whether it says that nothing is missing.
    var isWhole: Bool { coverage?.contains("partial=false") == true }

    /// How many replicas agreed, of how many; nil where it does not say.
    var replicas: (agreed: Int, of: Int)? {
      let word = coverage?.split(separator: " ").first { $0.hasPrefix("replicas=") }?.dropFirst("replicas=".count)
      let numbers = word?.split(separator: "/").compactMap { Int($0) } ?? []
      return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
    }
  }

  let client: ServerClient
  let telemetry: RunTelemetry
  /// Nil for a node that belongs to no cluster, which knows of no such thing.
  var consistency: Consistency?
  var allowsPartial = true
  var seconds: Int64 = 30

  /// All samples of the run, or of one series.
  func samples(series: Int? = nil) async throws -> Answer {
    let selector = #"real_sample{run="\#(telemetry.run)"\#(series.map { #",series="\#($0)""# } ?? "")}"#
    let (json, coverage) = try await ask(
      "/api/v1/query", [("query", "\(selector)[1h]"), ("time", "\(telemetry.base / 1000 + 3000)")])
    let data = json["data"] as? [String: Any]
    guard let result = data?["result"] as? [[String: Any]] else { throw TestFailure("no result in \(json)") }
    var entries: [Entry] = []
    for found in result {
      let labels = found["metric"] as? [String: String] ?? [:]
      // A series that nobody sent has a number that nobody sent.
      let number = labels.count == 3 ? Int(labels["series"] ?? "") ?? -1 : -1
      for pair in found["values"] as? [[Any]] ?? [] {
        guard pair.count == 2, let time = (pair[0] as? NSNumber)?.doubleValue,
          let value = Double(pair[1] as? String ?? "")
        else { throw TestFailure("no sample: \(pair)") }
        entries.append(
          Entry(signal: .sample, series: number, time: Int64((time * 1000).rounded()), value: value))
      }
    }
    return Answer(entries: entries, coverage: coverage)
  }

  /// How many samples the run has by a count that the nodes may reduce where the samples lie.
  func sampleCount() async throws -> (count: Int, coverage: String?) {
    let query = #"sum(count_over_time(real_sample{run="\#(telemetry.run)"}[1h]))"#
    let (json, coverage) = try await ask(
      "/api/v1/query", [("query", query), ("time", "\(telemetry.base / 1000 + 3000)")])
    let result = (json["data"] as? [String: Any])?["result"] as? [[String: Any]]
    let value = (result?.first?["value"] as? [Any])?.last as? String
    return (value.flatMap(Double.init).map { Int($0) } ?? 0, coverage)
  }

  /// All log records of the run. An answer has 50,000 at most.
  func lines() async throws -> Answer {
    let start = telemetry.base * 1_000_000
    let (json, coverage) = try await ask(
      "/loki/api/v1/query_range",
      [
        ("query", #"{service_name="\#(telemetry.run)"}"#), ("limit", "50000"), ("start", "\(start)"),
        ("end", "\(start + 3_600_000_000_000)"),
      ])
    let data = json["data"] as? [String: Any]
    guard let streams = data?["result"] as? [[String: Any]] else { throw TestFailure("no streams in \(json)") }
    var entries: [Entry] = []
    for stream in streams {
      for value in stream["values"] as? [[Any]] ?? [] {
        let words = (value.last as? String ?? "").split(separator: " ").compactMap { Int($0) }
        let time = Int64(value.first as? String ?? "").map { $0 / 1_000_000 }
        let isKnown = words.count == 2 && time != nil
        entries.append(
          Entry(
            signal: .line, series: isKnown ? words[0] : -1, time: time ?? 0, value: isKnown ? Double(words[1]) : -1))
      }
    }
    guard entries.count < 50_000 else { throw TestFailure("more lines than one answer holds") }
    return Answer(entries: entries, coverage: coverage)
  }

  /// The spans of one trace; of one that is not there none.
  func spans(of trace: Int) async throws -> Answer {
    let path = "/tempo/api/traces/\(telemetry.traceID(trace))?" + Self.form(parameters)
    let answer = try await client.ask(path, seconds: seconds)
    let coverage = answer.headers["needletail-coverage"]
    if answer.status == 404 { return Answer(entries: [], coverage: coverage) }
    guard answer.status == 200 else { throw Self.failure(path, answer.status, answer.body) }
    let text = String(decoding: answer.body, as: UTF8.self)
    func count(_ word: String) -> Int { text.split(separator: word, omittingEmptySubsequences: false).count - 1 }
    // When a trace was sent follows from its number.
    let time = telemetry.base + Int64(trace % 1_000_000)
    var entries: [Entry] = []
    for index in 0..<RunTelemetry.spansPerTrace {
      let copies = count(#""\#(RunTelemetry.spanName(trace, index))""#)
      entries += Array(
        repeating: Entry(signal: .span, series: trace, time: time, value: Double(index)), count: copies)
    }
    // What has no name of ours was invented.
    for extra in 0..<max(0, count(#""spanId""#) - entries.count) {
      entries.append(Entry(signal: .span, series: trace, time: time, value: Double(-1 - extra)))
    }
    return Answer(entries: entries, coverage: coverage)
  }

  private var parameters: [(String, String)] {
    guard let consistency else { return [] }
    return [("consistency", consistency.rawValue), ("partial", allowsPartial ? "allow" : "deny")]
  }

  private func ask(
    _ path: String, _ own: [(String, String)]
  ) async throws -> (json: [String: Any], coverage: String?) {
    let answer = try await client.ask("\(path)?\(Self.form(own + parameters))", seconds: seconds)
    guard answer.status == 200, let json = try JSONSerialization.jsonObject(with: answer.body) as? [String: Any] else {
      throw Self.failure(path, answer.status, answer.body)
    }
    return (json, answer.headers["needletail-coverage"])
  }

  private static func form(_ parameters: [(String, String)]) -> String {
    parameters.map { "\($0)=\(ServerClient.percentEncoded($1))" }.joined(separator: "&")
  }

  private static func failure(_ path: String, _ status: Int, _ body: Data) -> TestFailure {
    TestFailure("\(path) answered \(status): \(String(decoding: body.prefix(300), as: UTF8.self))")
  }
}
