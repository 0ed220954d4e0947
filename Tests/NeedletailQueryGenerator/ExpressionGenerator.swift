import NeedletailEnvironment

/// Writes random expressions of PromQL that are right by construction: well typed, of bounded depth, over series that mostly
/// exist, with operators whose sides mostly match. All of it follows from a seed.
package struct ExpressionGenerator: Sendable {
  /// Which functions, operators and modifiers are written.
  package enum Language: Sendable {
    /// What Prometheus 2.42 knows, as it is still meant today, and with care for rounding (`ExpressionTraits`).
    case shared
    /// What is there today, put together without any care: for parsers, not for evaluation.
    case current
  }

  /// An expression and what is known of it.
  struct Piece {
    var text: String
    var traits: ExpressionTraits
    /// The labels that its series have, as far as it is known.
    var labels: [String] = []
  }

  let vocabulary: QueryVocabulary
  let language: Language
  var random: SeededGenerator

  package init(_ vocabulary: QueryVocabulary, _ language: Language, seed: UInt64) {
    self.vocabulary = vocabulary
    self.language = language
    random = SeededGenerator(seed: seed)
  }

  /// The next expression, at most so deep: most yield an instant vector, some a scalar, a range or a string.
  package mutating func next(depth: Int) -> String {
    switch int(0...99) {
    case 0..<3: "\"\(pick(["", "a text", "käse", "\\n"]))\""
    case 3..<9: scalar(depth).text
    case 9..<15: range(depth).text
    default: vector(depth).text
    }
  }

  // MARK: Chance

  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  mutating func chance(_ percent: Int) -> Bool { int(1...100) <= percent }

  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[int(0...elements.count - 1)] }

  /// Whether something may be done that needs these traits.
  func allows(_ piece: Piece, _ needed: ExpressionTraits) -> Bool {
    language == .current || piece.traits.isSuperset(of: needed)
  }

  // MARK: Selectors

  /// A selector of a metric of numbers, without range.
  mutating func selector() -> (metric: QueryVocabulary.Metric, text: String) {
    let metric = pick(vocabulary.metrics)
    return (metric, metric.name + matchers(metric))
  }

  mutating func matchers(_ metric: QueryVocabulary.Metric) -> String {
    var parts: [String] = []
    for label in metric.labels where chance(25) {
      let value = pick(label.values)
      switch int(0...5) {
      case 0: parts.append("\(label.name)!=\"\(value)\"")
      case 1: parts.append("\(label.name)=~\"\(value)|\(pick(label.values))\"")
      case 2: parts.append("\(label.name)=~\"\(pick([".+", ".*", "[^x]+", ".*-[01]"]))\"")
      case 3: parts.append("\(label.name)!~\"\(value)\"")
      default: parts.append("\(label.name)=\"\(value)\"")
      }
    }
    if chance(5) { parts.append("missing=\"\"") }
    if chance(2) { parts.append("missing=\"x\"") }
    return parts.isEmpty ? "" : "{\(parts.joined(separator: pick([",", ", "])))}"
  }

  /// `offset` and `@`, perhaps.
  mutating func shift() -> String {
    let offset =
      chance(15) ? " offset " + (isCurrent(30) ? pick(["(1m / 2)", "-step()", "90"]) : pick(Self.offsets)) : ""
    let anchor = chance(10) ? " @ " + pick(vocabulary.anchors + ["start()", "end()"]) : ""
    return chance(50) ? offset + anchor : anchor + offset
  }

  /// Whether something is to be written that only the language of today has.
  mutating func isCurrent(_ percent: Int) -> Bool { language == .current && chance(percent) }

  mutating func length() -> String {
    isCurrent(20)
      ? pick(["2 * 1m", "step() + 30s", "max_of(range(), 1m)", "300", "(1h - 30m) / 2"])
      : pick(["30s", "1m", "90s", "2m", "3m20s", "5m", "7m30s", "10m"])
  }

  private static let offsets = ["10s", "1m", "2m30s", "5m", "-30s", "-2m"]

  // MARK: Scalars

  mutating func scalar(_ depth: Int) -> Piece {
    guard depth > 0, chance(40) else { return constant() }
    switch int(0...3) {
    case 0:
      let inner = vector(depth - 1)
      return Piece(text: "scalar(\(inner.text))", traits: inner.traits.subtracting(.distinct))
    case 1:
      let inner = scalar(depth - 1)
      return Piece(text: "-\(atom(inner))", traits: inner.traits.subtracting(.positive))
    default:
      let (left, right) = (scalar(depth - 1), scalar(depth - 1))
      let operation = arithmetic(left, right, areScalars: true)
      return Piece(
        text: "\(atom(left)) \(operation) \(atom(right))", traits: traits(of: operation, left.traits, right.traits))
    }
  }

  private mutating func constant() -> Piece {
    switch int(0...11) {
    case 0: Piece(text: "time()", traits: .counts)
    case 1: Piece(text: "pi()", traits: [.exact, .positive])
    case 2: Piece(text: pick(["0.1", "1e-3", "123.456"]), traits: [.exact, .positive])
    case 3: Piece(text: pick(["NaN", "Inf", "+Inf"]), traits: .counts)
    case 4: Piece(text: pick(["-1", "-0.5", "-Inf"]), traits: [.exact, .summable])
    default: Piece(text: pick(["0", "1", "2", "3", "0.5", "10", "0x10", "1e2", "64"]), traits: .counts)
    }
  }

  /// The piece as an operand: in parentheses, unless it binds more strongly than anything.
  func atom(_ piece: Piece) -> String {
    let isPlain = piece.text.utf8.allSatisfy { byte in
      byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") || byte == UInt8(ascii: "_")
        || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") || byte == UInt8(ascii: ".")
    }
    return isPlain ? piece.text : "(\(piece.text))"
  }

  /// An operator of arithmetic that these operands may have.
  ///
  /// Prometheus 2.42 leaves the metric's name on what `atan2` yields.
  mutating func arithmetic(_ left: Piece, _ right: Piece, areScalars: Bool = false) -> String {
    // What was rounded in a base shows in a high power of it.
    let powers = ["0", "1", "2", "3", "0.5", "-0.5", "-1", "10"].contains(right.text) ? ["^"] : []
    let (left, right) = (left.traits, right.traits)
    if language == .current { return pick(["+", "-", "*", "/", "%", "^", "atan2"]) }
    if left.contains(.exact), right.contains(.exact) {
      return pick(["+", "-", "*", "/", "%", "-", "+"] + powers + (areScalars ? ["atan2"] : []))
    }
    return left.contains(.positive) && right.contains(.positive) ? pick(["+", "*", "/"]) : pick(["*", "/"])
  }

  /// What is known of the result of arithmetic.
  func traits(of operation: String, _ left: ExpressionTraits, _ right: ExpressionTraits) -> ExpressionTraits {
    let both = left.intersection(right).subtracting([.distinct, .finite])
    switch operation {
    case "+": return both
    case "-": return both.subtracting(.positive)
    case "*", "/", "%": return both.subtracting(.summable)
    // Whole powers of negative numbers are negative at times.
    case "^": return both.intersection(.positive)
    default: return []
    }
  }
}
