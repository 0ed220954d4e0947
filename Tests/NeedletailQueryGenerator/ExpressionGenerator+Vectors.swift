// Instant vectors: functions and aggregations.

extension ExpressionGenerator {
  /// An instant vector.
  mutating func vector(_ depth: Int) -> Piece {
    guard depth > 0 else {
      let (metric, text) = selector()
      return Piece(text: text + shift(), traits: metric.traits, labels: metric.labels.map(\.name))
    }
    switch int(0...19) {
    case 0..<5: return rangeCall(depth - 1)
    case 5..<8: return aggregation(depth)
    case 8..<11: return simpleCall(depth)
    case 11..<16: return binary(depth)
    case 16: return relabelling(depth)
    case 17: return picked()
    case 18:
      return switch int(0...2) {
      case 0: histogramQuantile()
      case 1: nativeHistogram()
      default: calendar(depth)
      }
    default: return rest(depth)
    }
  }

  // MARK: Functions

  /// A function of each number.
  private mutating func simpleCall(_ depth: Int) -> Piece {
    let inner = vector(depth - 1)
    let isExact = allows(inner, .exact)
    func result(_ function: String, _ traits: ExpressionTraits) -> Piece {
      Piece(text: "\(function)(\(inner.text))", traits: traits, labels: inner.labels)
    }
    let kept = inner.traits.subtracting([.distinct, .summable, .finite])
    switch int(0...7) {
    case 0 where isExact:
      if chance(20) {
        // What is left of a large number after many turns has no more digits than the number had to spare.
        return Piece(
          text: "\(pick(["sin", "cos", "tan"]))(\(atom(inner)) % 16)", traits: [], labels: inner.labels)
      }
      return result(
        pick([
          "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "ln", "log2", "log10",
        ]), [])
    case 1 where isExact: return result(pick(["ceil", "floor"]), inner.traits.subtracting(.distinct))
    case 2 where isExact: return result("sgn", inner.traits.contains(.positive) ? .counts : [.exact, .summable])
    case 3: return result(pick(["sqrt", "deg", "rad"]), kept)
    case 4 where isExact: return result("exp", .positive)
    case 5 where isExact:
      let nearest = pick(["", ", 5", ", 0.5", ", 0.1", ", 1e3"])
      return Piece(text: "round(\(inner.text)\(nearest))", traits: kept, labels: inner.labels)
    case 6 where isExact:
      let low = pick(["0", "1", "-5", "10.5"])
      let high = pick(["3", "20", "100.25", "-10", "Inf"])
      let bounds =
        switch int(0...2) {
        case 0: "clamp(\(inner.text), \(low), \(high))"
        case 1: "clamp_min(\(inner.text), \(low))"
        default: "clamp_max(\(inner.text), \(high))"
        }
      return Piece(text: bounds, traits: kept.subtracting(.positive), labels: inner.labels)
    default: return result("abs", inner.traits.subtracting(.distinct).union(.positive))
    }
  }

  private mutating func calendar(_ depth: Int) -> Piece {
    let function = pick([
      "minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year",
    ])
    switch int(0...2) {
    case 0: return Piece(text: "\(function)()", traits: .counts)
    case 1: return Piece(text: "\(function)(vector(time() + \(pick(["86400", "-1e7", "3e8"]))))", traits: .counts)
    default:
      let (metric, text) = selector()
      // Beside `@` Prometheus ignores the offset here.
      let shift = language == .current ? self.shift() : pick(["", " offset 1m", " @ end()"])
      return Piece(
        text: "\(function)(timestamp(\(text)\(shift)))", traits: .counts, labels: metric.labels.map(\.name))
    }
  }

  /// `label_replace` and `label_join`; at times series become alike, which is an error.
  private mutating func relabelling(_ depth: Int) -> Piece {
    let inner = vector(depth - 1)
    let target = pick(["new", "new", "zone", "job"])
    let source = pick(["job", "instance", "zone", "missing"])
    let text: String
    if chance(60) {
      let pattern = pick(["(.*)", "(.+)-(.+)", "a.*", "", "(?P<word>[a-z]+).*"])
      let replacement = pick(["$1", "${1}x$2", "fixed", "", "$word", "käse"])
      text = "label_replace(\(inner.text), \"\(target)\", \"\(replacement)\", \"\(source)\", \"\(pattern)\")"
    } else {
      text = "label_join(\(inner.text), \"\(target)\", \"\(pick(["-", "", ","]))\", \"\(source)\", \"instance\")"
    }
    return Piece(text: text, traits: inner.traits, labels: inner.labels + (target == "new" ? ["new"] : []))
  }

  private mutating func rest(_ depth: Int) -> Piece {
    let inner = vector(depth - 1)
    let kept = inner.traits.subtracting(.distinct)
    if isCurrent(40) {
      let text = pick([
        "sort_by_label(\(inner.text), \"job\")", "info(\(inner.text))", "info(\(inner.text), {version=~\".+\"})",
        "histogram_quantiles(\(inner.text), \"q\", 0.5, 0.9)", "histogram_stddev(\(inner.text))",
      ])
      return Piece(text: text, traits: [], labels: inner.labels)
    }
    switch int(0...5) {
    case 0: return Piece(text: "absent(\(inner.text))", traits: .counts)
    case 1: return Piece(text: "timestamp(\(inner.text) + 0)", traits: .counts, labels: inner.labels)
    case 2: return Piece(text: "vector(\(scalar(depth - 1).text))", traits: [])
    case 3: return Piece(text: "(\(inner.text))", traits: inner.traits, labels: inner.labels)
    case 4: return Piece(text: "-\(atom(inner))", traits: kept.subtracting(.positive), labels: inner.labels)
    default: return Piece(text: "\(pick(["sort", "sort_desc"]))(\(inner.text))", traits: kept, labels: inner.labels)
    }
  }

  // MARK: Aggregations

  mutating func labelList(_ known: [String]) -> [String] {
    var labels = known.filter { _ in chance(45) }
    if chance(10) { labels.append("missing") }
    return labels
  }

  /// An aggregation, perhaps by given labels.
  mutating func aggregation(_ depth: Int, by given: [String]? = nil) -> Piece {
    aggregation(of: vector(depth - 1), by: given)
  }

  /// An aggregation of what is there.
  mutating func aggregation(of inner: Piece, by given: [String]? = nil) -> Piece {
    let isWithout = given == nil && chance(30)
    let named = given ?? labelList(inner.labels)
    var operation = pick(["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", "count_values"])
    var traits: ExpressionTraits
    let kept = inner.traits.subtracting(.distinct)
    switch operation {
    case "sum" where allows(inner, [.exact, .summable]): traits = kept
    case "sum" where allows(inner, .positive): traits = .positive
    case "avg" where allows(inner, .positive): traits = .positive
    // To 2.42 the variance of a single NaN is zero.
    case "stddev" where allows(inner, [.exact, .summable, .finite]),
      "stdvar" where allows(inner, [.exact, .summable, .finite]):
      traits = .positive
    case "quantile" where allows(inner, .exact): traits = kept.intersection(.exact)
    case "count_values" where allows(inner, .exact): traits = .counts
    case "count", "group": traits = .counts
    default:
      if operation != "min" { operation = "max" }
      traits = kept
    }
    let parameter =
      switch operation {
      case "quantile": pick(["0.5", "0.9", "0", "1", "-0.1", "1.5", "NaN"]) + ", "
      // 2.42 mixes up groups of three labels of which one sorts behind the value's.
      case "count_values":
        "\"\(language == .shared && !isWithout && !named.isEmpty ? "zz" : pick(["value", "job"]))\", "
      default: ""
      }
    let list = "(\(named.joined(separator: pick([",", ", "]))))"
    let grouping = named.isEmpty && given == nil && chance(70) ? "" : (isWithout ? "without " : "by ") + list
    let arguments = "(\(parameter)\(inner.text))"
    let labels = isWithout ? inner.labels.filter { !named.contains($0) } : named
    var text =
      chance(50) || grouping.isEmpty ? "\(operation) \(grouping)\(arguments)" : "\(operation)\(arguments) \(grouping)"
    // The sign of a zero that is a sum, or the greatest of several, is 2.42's own matter.
    let mayBeNegativeZero = !inner.traits.contains(.positive) && ["sum", "min", "max"].contains(operation)
    if language == .shared, mayBeNegativeZero { text += " + 0" }
    return Piece(text: text, traits: traits, labels: labels)
  }

  /// The first series by their values, where these leave no doubt.
  private mutating func picked() -> Piece {
    let distinct = vocabulary.metrics.filter { $0.traits.contains(.distinct) }
    let metric = pick(distinct.isEmpty ? vocabulary.metrics : distinct)
    let selector = metric.name + matchers(metric)
    let labels = metric.labels.map(\.name)
    let grouping = chance(40) ? " by (\(labelList(labels).joined(separator: ",")))" : ""
    let operation =
      isCurrent(30)
      ? pick(["limitk(2, ", "limit_ratio(0.5, "]) : pick(["topk(", "bottomk("]) + pick(["1, ", "2, ", "3, ", "0, "])
    return Piece(text: "\(operation)\(selector)\(shift()))\(grouping)", traits: metric.traits, labels: labels)
  }
}
