import NeedletailQueryLanguage
import NeedletailTelemetry

/// A part of a query that hangs on nothing but itself, and the steps at which it is wanted: what is asked of whoever has
/// the series.
struct AskedExpression: Sendable {
  /// Bytes of the text, and of a place, at the most.
  static let textMax = 64 << 10
  static let placeMax = 64
  /// Steps at the most: what a group or a series comes to at all of them is held at once.
  static let stepsMax = 16_384

  /// The expression, as `Printer` puts it.
  let text: String
  /// Where what it reads stands in the query, as remarks name it.
  let place: String
  let steps: Steps
  /// How far back an instant selector looks, in ms.
  let lookback: Int64
  /// Whether it counts when senders said that a count began.
  let usesStarts: Bool
  let rule: ResetHintRule
  let expression: Expression

  /// What a text says; nil where it is none, or these are no steps of a query.
  init?(_ text: String, place: String, steps: Steps, lookback: Int64, usesStarts: Bool, rule: ResetHintRule) {
    guard text.utf8.count <= Self.textMax, place.utf8.count <= Self.placeMax,
      QueryEngine.areSteps(from: steps.start, to: steps.end, step: steps.interval), steps.count <= Self.stepsMax,
      QueryEngine.isDuration(lookback), let expression = try? Parser.parse(text)
    else { return nil }
    self.text = text
    self.place = place
    self.steps = steps
    self.lookback = lookback
    self.usesStarts = usesStarts
    self.rule = rule
    self.expression = expression
  }
}

// MARK: - What hangs on nothing else

extension VectorSelector {
  /// A series that several alternatives find counts once, which only shows where all of them are.
  var standsAlone: Bool {
    guard alternatives.isEmpty, shift.offsetSyntax == nil, rangeSyntax == nil else { return false }
    switch shift.anchor {
    case .start, .end: return false
    case .time, nil: return true
    }
  }
}

extension Call {
  /// Whether all that it stands over are selectors and plain numbers that stand alone.
  var hasArgumentsThatStandAlone: Bool {
    arguments.allSatisfy { argument in
      if case .selector(let selector) = argument.withoutParentheses.node { return selector.standsAlone }
      return argument.isPlainNumber
    }
  }
}

extension Expression {
  /// Whether it is one number, whatever the query.
  fileprivate var isPlainNumber: Bool {
    switch node {
    case .number: true
    case .negation(let inner), .positive(let inner), .parenthesized(let inner): inner.isPlainNumber
    default: false
    }
  }

  /// Selectors with the times that `start()` and `end()` mean, and lengths as they came out.
  func settled(_ steps: Steps) -> Expression {
    switch node {
    case .parenthesized(let inner): return inner.settled(steps)
    case .selector(var selector):
      switch selector.shift.anchor {
      case .start: selector.shift.anchor = .time(steps.start)
      case .end: selector.shift.anchor = .time(steps.end)
      case .time, nil: break
      }
      (selector.rangeSyntax, selector.shift.offsetSyntax) = (nil, nil)
      return Expression(.selector(selector), span: span)
    case .call(var call):
      call.arguments = call.arguments.map { $0.settled(steps) }
      return Expression(.call(call), span: span)
    default: return self
    }
  }
}

extension Evaluation {
  /// A part of the query, settled, as it is asked of others at some steps; nil where they would not understand what is
  /// meant.
  func asked(_ settled: Expression, remarksAt span: SourceSpan, _ steps: Steps) -> AskedExpression? {
    let text = Printer.print(settled)
    let asked = AskedExpression(
      text, place: place(span), steps: steps, lookback: options.lookback,
      usesStarts: engine.features.usesStartTimestamps, rule: hintRule)
    guard let asked, Printer.print(asked.expression) == text else { return nil }
    return asked
  }
}

// MARK: - The byte form: docs/formats/read-message.md

extension AskedExpression {
  private static let version: UInt8 = 1

  /// All of it.
  func encode(to writer: inout ByteWriter) {
    writer.append(Self.version)
    writer.appendPrefixed(text)
    writer.appendPrefixed(place)
    writer.append(steps.start)
    writer.append(steps.end)
    writer.append(steps.interval)
    writer.append(lookback)
    writer.append(usesStarts ? UInt8(1) : 0)
    writer.append(rule == .both ? UInt8(1) : 0)
  }

  /// Parses the text.
  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    guard try reader.read(UInt8.self) == Self.version else { throw .invalid("an expression of an unknown version") }
    let text = try Self.text(&reader, max: Self.textMax)
    let place = try Self.text(&reader, max: Self.placeMax)
    let (start, end) = (try reader.read(Int64.self), try reader.read(Int64.self))
    let interval = try reader.read(Int64.self)
    guard QueryEngine.areSteps(from: start, to: end, step: interval) else { throw .invalid("no steps of a query") }
    let lookback = try reader.read(Int64.self)
    let usesStarts = try reader.read(UInt8.self) != 0
    let rule: ResetHintRule = try reader.read(UInt8.self) != 0 ? .both : .notReset
    let asked = AskedExpression(
      text, place: place, steps: Steps(start: start, end: end, interval: interval), lookback: lookback,
      usesStarts: usesStarts, rule: rule)
    guard let asked else { throw .invalid("no expression, or too many steps") }
    self = asked
  }

  private static func text(_ reader: inout ByteReader, max: Int) throws(MalformedBytes) -> String {
    let bytes = try reader.readPrefixed()
    guard bytes.count <= max else { throw .invalid("a text is too long") }
    return String(decoding: bytes, as: UTF8.self)
  }
}
