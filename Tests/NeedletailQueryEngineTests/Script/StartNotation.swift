import NeedletailTelemetry

/// Reads `metric{label="value"}@st -1m-1mx3 _ 0`: when the counts of the samples on the next line began, counted from their
/// times.
enum StartNotation {
  /// The labels, and one offset in ms for each step; nil where the line is no such line.
  static func parse(_ line: String) throws -> (labels: LabelSet?, offsets: [Int64?])? {
    let words = line.split(whereSeparator: \.isWhitespace)
    guard let series = words.first, series.hasSuffix("@st") else { return nil }
    let labels = try SeriesNotation.parse(String(series.dropLast(3))).labels
    return (labels, try words.dropFirst().flatMap(expand))
  }

  private static func expand(_ word: Substring) throws -> [Int64?] {
    var base = word
    var times = 0
    if let cross = word.lastIndex(of: "x") {
      guard let count = Int(word[word.index(after: cross)...]) else { throw ScriptError("bad start \(word)") }
      base = word[..<cross]
      times = base == "_" ? count - 1 : count
    }
    if base == "_" { return [Int64?](repeating: nil, count: times + 1) }
    // The sign between start and step is not the first character.
    let sign = base.dropFirst().firstIndex { $0 == "+" || $0 == "-" }
    let start = try time(base[..<(sign ?? base.endIndex)])
    let step = try sign.map { try time(base[$0...]) } ?? 0
    return (0...times).map { start + Int64($0) * step }
  }

  private static func time(_ text: Substring) throws -> Int64 {
    try ScriptReader.time(text.hasPrefix("+") ? text.dropFirst() : text)
  }
}
