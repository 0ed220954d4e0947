import NeedletailQueryLanguage
import NeedletailTelemetry

@testable import NeedletailQueryEngine

/// Why a script cannot be read.
struct ScriptError: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// Reads `metric{label="value"} 1 2+3x4 _ stale {{schema:0 count:2}}`.
enum SeriesNotation {
  enum Value {
    case none
    case number(Double)
    case histogram(NativeHistogram)
  }

  /// A line of a script: labels, and one value per step.
  ///
  /// Labels are nil where the line holds values only.
  static func parse(_ line: String) throws -> (labels: LabelSet?, values: [Value]) {
    let text = Array(line)
    var index = 0
    if let first = text.first, first.isNumber || first == "+" || first == "-" || ["NaN", "Inf"].contains(line) {
      return (nil, try values(line))
    }
    while index < text.count, text[index] != "{", !text[index].isWhitespace { index += 1 }
    while index < text.count, text[index].isWhitespace, nextIsSingleBrace(text, index) { index += 1 }
    if index < text.count, text[index] == "{", index + 1 >= text.count || text[index + 1] != "{" {
      var quote: Character?
      while index < text.count {
        let character = text[index]
        if let open = quote {
          if character == "\\" { index += 1 } else if character == open { quote = nil }
        } else if character == "\"" || character == "'" {
          quote = character
        } else if character == "}" {
          break
        }
        index += 1
      }
      index += 1
    }
    let head = String(text[..<min(index, text.count)])
    return (try labels(head), try values(String(text[min(index, text.count)...])))
  }

  private static func nextIsSingleBrace(_ text: [Character], _ start: Int) -> Bool {
    var index = start
    while index < text.count, text[index].isWhitespace { index += 1 }
    return index < text.count && text[index] == "{" && (index + 1 >= text.count || text[index + 1] != "{")
  }

  static func labels(_ text: String) throws -> LabelSet {
    let trimmed = text.filter { !$0.isWhitespace }
    if trimmed == "{}" || trimmed.isEmpty { return .empty }
    guard let matchers = try? Parser.parseSelectors(text).first else {
      if (try? Parser.parse(text)) == nil, !trimmed.hasSuffix("\"\"}") { throw ScriptError("bad series \(text)") }
      return .empty
    }
    return LabelSet(matchers.map { Label($0.name, $0.value) })
  }

  static func values(_ text: String) throws -> [Value] {
    var result: [Value] = []
    for word in words(text) { result += try expand(word) }
    return result
  }

  /// Splits at blanks, but not inside `{{...}}`.
  private static func words(_ text: String) -> [String] {
    var result: [String] = []
    var word = ""
    var depth = 0
    for character in text {
      if character == "{" { depth += 1 }
      if character == "}" { depth -= 1 }
      if character.isWhitespace, depth == 0 {
        if !word.isEmpty { result.append(word) }
        word = ""
      } else {
        word.append(character)
      }
    }
    if !word.isEmpty { result.append(word) }
    return result
  }

  private static func expand(_ word: String) throws -> [Value] {
    if word == "_" { return [.none] }
    if word == "stale" { return [.number(StaleMarker.value)] }
    if word.hasPrefix("_x") { return [Value](repeating: .none, count: Int(word.dropFirst(2)) ?? 0) }
    if word.hasPrefix("{{") { return try expandHistogram(word) }
    if let number = number(word) { return [.number(number)] }
    guard let cross = word.lastIndex(of: "x"), let times = Int(word[word.index(after: cross)...]) else {
      throw ScriptError("bad value \(word)")
    }
    let base = String(word[..<cross])
    if base == "stale" { return [Value](repeating: .number(StaleMarker.value), count: times + 1) }
    if let number = number(base) { return [Value](repeating: .number(number), count: times + 1) }
    // The sign between start and step is the last one that is not an exponent's.
    let characters = Array(base)
    for index in characters.indices.reversed() where index > 0 && (characters[index] == "+" || characters[index] == "-")
    {
      guard characters[index - 1] != "e", let start = number(String(characters[..<index])),
        let step = number(String(characters[(index + 1)...]))
      else { continue }
      let sign = characters[index] == "+" ? 1.0 : -1.0
      // Added up one by one, as the notation is defined, so that rounding is the same.
      var value = start
      return (0...times).map { position in
        if position > 0 { value += sign * step }
        return .number(value)
      }
    }
    throw ScriptError("bad value \(word)")
  }

  static func number(_ text: String) -> Double? {
    switch text.lowercased() {
    case "nan": .nan
    case "inf", "+inf": .infinity
    case "-inf": -.infinity
    // `0x5` is six zeros here, not a hexadecimal five.
    default: text.contains("x") ? nil : Double(text)
    }
  }

  // MARK: Histograms

  private static func expandHistogram(_ word: String) throws -> [Value] {
    guard let close = word.range(of: "}}") else { throw ScriptError("bad histogram \(word)") }
    let first = try histogram(String(word[word.startIndex..<close.upperBound]))
    let rest = word[close.upperBound...]
    if rest.isEmpty { return [.histogram(first)] }
    guard let cross = rest.lastIndex(of: "x"), let times = Int(rest[rest.index(after: cross)...]) else {
      throw ScriptError("bad histogram \(word)")
    }
    let step = rest[..<cross]
    guard let sign = step.first else { return [Value](repeating: .histogram(first), count: times + 1) }
    let delta = try histogram(String(step.dropFirst()))
    var value = first
    return try (0...times).map { position in
      if position > 0 {
        guard let next = value.adding(delta, factor: sign == "-" ? -1 : 1) else { throw ScriptError("bad step") }
        let hint = value.resetHint
        value = next.histogram
        value.resetHint = hint
      }
      return .histogram(value)
    }
  }

  private static func histogram(_ text: String) throws -> NativeHistogram {
    var result = NativeHistogram(schema: 0, count: 0, sum: 0)
    var positive: (offset: Int32, buckets: [Double]) = (0, [])
    var negative: (offset: Int32, buckets: [Double]) = (0, [])
    var body = Substring(text.dropFirst(2).dropLast(2))
    while let colon = body.firstIndex(of: ":") {
      let key = body[..<colon].filter { !$0.isWhitespace }
      body = body[body.index(after: colon)...].drop { $0.isWhitespace }
      let isList = body.first == "["
      let end = isList ? body.firstIndex(of: "]") : body.firstIndex { $0.isWhitespace }
      let value = body[..<(end ?? body.endIndex)].drop { $0 == "[" }
      body = end.map { body[body.index(after: $0)...] } ?? ""
      let list = value.split(whereSeparator: \.isWhitespace).compactMap { number(String($0)) }
      let single = number(String(value)) ?? 0
      switch key {
      case "schema": result.schema = Int8(exactly: single) ?? 0
      case "sum": result.sum = single
      case "count": result.count = single
      case "z_bucket": result.zeroCount = single
      case "z_bucket_w": result.zeroThreshold = single
      case "buckets": positive.buckets = list
      case "n_buckets": negative.buckets = list
      case "offset": positive.offset = Int32(exactly: single) ?? 0
      case "n_offset": negative.offset = Int32(exactly: single) ?? 0
      case "custom_values": result.customBounds = list
      case "counter_reset_hint":
        result.resetHint = ["reset": .reset, "not_reset": .notReset, "gauge": .gauge][String(value)] ?? .unknown
      default: throw ScriptError("unknown histogram field \(key)")
      }
    }
    if !positive.buckets.isEmpty {
      result.positiveSpans = [.init(offset: positive.offset, length: UInt32(positive.buckets.count))]
      result.positiveBuckets = positive.buckets
    }
    if !negative.buckets.isEmpty {
      result.negativeSpans = [.init(offset: negative.offset, length: UInt32(negative.buckets.count))]
      result.negativeBuckets = negative.buckets
    }
    return result
  }
}
