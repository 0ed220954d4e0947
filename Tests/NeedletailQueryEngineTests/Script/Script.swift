import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry

// Scripts that load series and state what queries yield, in the format that Prometheus' own tests are written in.

/// One evaluation of a script and what it should yield.
struct ScriptEvaluation {
  enum Time {
    case instant(Int64)
    case range(start: Int64, end: Int64, step: Int64)
  }

  enum Expectation {
    case fail(String?)
    /// With a text that it has to be, where one is stated.
    case warning(String?)
    case info(String?)
    case noWarning
    case noInfo
    case ordered
    case string(String)
    case rangeVector(start: Int64, step: Int64)
  }

  var line: Int
  var query: String
  var time: Time
  var expectations: [Expectation] = []
  var series: [(labels: LabelSet?, values: [SeriesNotation.Value])] = []
  /// What the engine is to do otherwise than Prometheus' defaults have it.
  var features = QueryFeatures()
  /// The data that had been loaded.
  var data: [LabelSet: [MemorySeries.Point]]
}

/// Reads a script into its evaluations.
struct ScriptReader {
  private(set) var evaluations: [ScriptEvaluation] = []
  /// Lines that could not be read, with their numbers.
  private(set) var unreadable: [(line: Int, message: String)] = []
  private var data: [LabelSet: [MemorySeries.Point]] = [:]
  private var loadStep: Int64?
  /// Names of the classic histograms of the load at hand that are to be loaded as native ones too.
  private var classic: ClassicLoad?
  private var current: ScriptEvaluation?
  /// A line with the starts of the series' samples that follows.
  private var starts: (labels: LabelSet?, offsets: [Int64?])?
  private var features: QueryFeatures

  /// Reads a script; a line `# feature: delayed-name-removal` turns that on.
  init(_ text: String, features: QueryFeatures = QueryFeatures()) {
    self.features = features
    for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let line = raw.trimmed
      if line == "# feature: delayed-name-removal" { self.features.delaysNameRemoval = true }
      if line.hasPrefix("#") { continue }
      do {
        try read(line, number: index + 1)
      } catch {
        unreadable.append((index + 1, "\(error)"))
      }
    }
    finish()
  }

  private mutating func finish() {
    if let current { evaluations.append(current) }
    for (labels, points) in classic?.converted() ?? [:] { data[labels, default: []] += points }
    current = nil
    loadStep = nil
    classic = nil
  }

  private mutating func read(_ line: String, number: Int) throws {
    let words = line.split(whereSeparator: \.isWhitespace)
    guard let command = words.first else { return finish() }
    switch command {
    case "clear":
      finish()
      data = [:]
    case "load", "load_with_nhcb":
      finish()
      classic = command == "load" ? nil : ClassicLoad()
      loadStep = words.count > 1 ? try Self.time(words[1]) : nil
    case "expect" where current != nil: try expect(line)
    case _ where command == "eval" || command.hasPrefix("eval_"):
      finish()
      try start(line, command: String(command), number: number)
    default: try series(line)
    }
  }

  private mutating func series(_ line: String) throws {
    if let step = loadStep {
      if let found = try StartNotation.parse(line) {
        starts = found
        return
      }
      try load(try SeriesNotation.parse(line), step)
    } else if current != nil {
      if line.hasPrefix("expected_fail") { return }
      current?.series.append(try SeriesNotation.parse(line))
    } else {
      throw ScriptError("stray line \(line)")
    }
  }

  /// Adds the samples of a series, with the starts that the line before told.
  private mutating func load(_ series: (labels: LabelSet?, values: [SeriesNotation.Value]), _ step: Int64) throws {
    let told = starts
    starts = nil
    guard told.map({ $0.labels == series.labels && $0.offsets.count == series.values.count }) ?? true else {
      throw ScriptError("starts of another series")
    }
    if let labels = series.labels { classic?.add(labels, series.values, step: step) }
    for (index, value) in series.values.enumerated() {
      let time = Int64(index) * step
      var point = MemorySeries.Point(time: time, value: 0, start: told?.offsets[index].map { time + $0 } ?? 0)
      switch value {
      case .none: continue
      case .number(let number): point.value = number
      case .histogram(let histogram): (point.value, point.histogram) = (histogram.sum, histogram)
      }
      data[series.labels ?? .empty, default: []].append(point)
    }
  }

  private mutating func start(_ line: String, command: String, number: Int) throws {
    var words = Substring(line)
    func next() -> Substring {
      words = words.drop { $0.isWhitespace }
      let word = words.prefix { !$0.isWhitespace }
      words = words.dropFirst(word.count)
      return word
    }
    _ = next()
    let time: ScriptEvaluation.Time
    if next() == "instant" {
      guard next() == "at" else { throw ScriptError("expected at") }
      time = .instant(try Self.time(next()))
    } else {
      _ = next()
      let start = try Self.time(next())
      _ = next()
      let end = try Self.time(next())
      _ = next()
      time = .range(start: start, end: end, step: try Self.time(next()))
    }
    var evaluation = ScriptEvaluation(line: number, query: words.trimmed, time: time, features: features, data: data)
    switch command {
    case "eval_fail": evaluation.expectations = [.fail(nil)]
    case "eval_warn": evaluation.expectations = [.warning(nil)]
    case "eval_info": evaluation.expectations = [.info(nil)]
    case "eval_ordered": evaluation.expectations = [.ordered]
    default: break
    }
    current = evaluation
  }

  private mutating func expect(_ line: String) throws {
    let rest = line.dropFirst("expect".count).trimmed
    let kind = rest.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    let message = rest.firstRange(of: "msg:").map { rest[$0.upperBound...].trimmed }
    switch kind {
    case "fail": current?.expectations.append(.fail(message))
    case "warn": current?.expectations.append(.warning(message))
    case "info": current?.expectations.append(.info(message))
    case "no_warn": current?.expectations.append(.noWarning)
    case "no_info": current?.expectations.append(.noInfo)
    case "ordered": current?.expectations.append(.ordered)
    case "string":
      let literal = rest.dropFirst("string".count).trimmed
      guard case .string(let text) = try Parser.parse(literal).node else { throw ScriptError("not a string") }
      current?.expectations.append(.string(text))
    case "range":
      let words = rest.split(whereSeparator: \.isWhitespace)
      guard words.count >= 8 else { throw ScriptError("bad range vector") }
      current?.expectations.append(.rangeVector(start: try Self.time(words[3]), step: try Self.time(words[7])))
    default: throw ScriptError("unknown expectation \(kind)")
    }
  }

  static func time(_ word: Substring) throws -> Int64 {
    let isNegative = word.hasPrefix("-")
    let body = isNegative ? word.dropFirst() : word
    let sign: Int64 = isNegative ? -1 : 1
    if let seconds = Double(body), let milliseconds = Int64(exactly: (seconds * 1000).rounded()) {
      return sign * milliseconds
    }
    guard let milliseconds = NumberSpelling.duration(Array(body.utf8)[...]) else {
      throw ScriptError("bad time \(word)")
    }
    return sign * milliseconds
  }
}

extension StringProtocol {
  /// The text without blanks at its ends.
  var trimmed: String {
    let start = drop { $0.isWhitespace }
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}
