// Binary operators. Sides that were written independently hardly ever match, so that most are written to.

extension ExpressionGenerator {
  /// An operator with at least one instant vector.
  mutating func binary(_ depth: Int) -> Piece {
    switch int(0...9) {
    case 0..<3: return withScalar(depth)
    case 3..<5: return ofOneSelector(depth)
    case 5: return ofEqualGroups(depth)
    case 6: return grouped(depth)
    case 7: return joined(depth)
    case 8: return ofSets(depth)
    default: return ofAnything(depth)
    }
  }

  /// An operator of arithmetic or comparison between two pieces, with or without `bool`.
  ///
  /// To 2.42 matches that a comparison drops need not be unique, so that only sides that surely match may drop any.
  private mutating func operation(
    _ left: Piece, _ right: Piece, mayDrop: Bool = false
  ) -> (text: String, traits: ExpressionTraits) {
    if isCurrent(5) { return (pick(["</", ">/"]), []) }
    let isExact = language == .current || left.traits.intersection(right.traits).contains(.exact)
    if isExact, chance(40) {
      let comparison = pick(["==", "!=", ">", "<", ">=", "<="])
      let isBool = chance(50) || !(mayDrop || language == .current)
      return isBool ? (comparison + " bool", .counts) : (comparison, left.traits.subtracting(.distinct))
    }
    let arithmetic = arithmetic(left, right)
    return (arithmetic, traits(of: arithmetic, left.traits, right.traits))
  }

  private mutating func withScalar(_ depth: Int) -> Piece {
    let (vector, scalar) = (vector(depth - 1), scalar(depth - 1))
    let isLeft = chance(30)
    let (left, right) = isLeft ? (scalar, vector) : (vector, scalar)
    let operation = operation(left, right, mayDrop: true)
    // A filter keeps the vector's values, on whichever side it is.
    let keeps = ["==", "!=", ">", "<", ">=", "<="].contains(operation.text)
    return Piece(
      text: "\(atom(left)) \(operation.text) \(atom(right))",
      traits: keeps ? vector.traits.subtracting(.distinct) : operation.traits, labels: vector.labels)
  }

  /// Two functions of the same selector: every series finds itself.
  private mutating func ofOneSelector(_ depth: Int) -> Piece {
    let (metric, selector) = selector()
    let labels = metric.labels.map(\.name)
    func side(_ generator: inout ExpressionGenerator) -> Piece {
      let traits = metric.traits.subtracting(.distinct)
      let length = generator.length()
      return switch generator.int(0...4) {
      case 0: Piece(text: "rate(\(selector)[\(length)])", traits: traits.intersection([.exact, .positive]))
      case 1: Piece(text: "max_over_time(\(selector)[\(length)])", traits: traits)
      case 2: Piece(text: "count_over_time(\(selector)[\(length)])", traits: .counts)
      case 3: Piece(text: "\(selector) offset 1m", traits: traits)
      default: Piece(text: selector, traits: traits)
      }
    }
    let (left, right) = (side(&self), side(&self))
    let operation = operation(left, right, mayDrop: true)
    let fill = isCurrent(20) ? pick([" fill(0)", " fill_left(1)", " fill_left(-Inf) fill_right(2)"]) : ""
    let matching = chance(30) ? " ignoring (\(pick(["", "missing"])))" : ""
    let modifiers = operation.text.hasSuffix("/") && operation.text.count == 2 ? "" : matching + fill
    return Piece(
      text: "\(left.text) \(operation.text)\(modifiers) \(right.text)", traits: operation.traits, labels: labels)
  }

  /// Two aggregations by the same labels.
  private mutating func ofEqualGroups(_ depth: Int) -> Piece {
    let labels = pick([["job"], ["instance"], ["job", "instance"], []])
    let (left, right) = (aggregation(depth - 1, by: labels), aggregation(depth - 1, by: labels))
    let operation = operation(left, right)
    let matching = chance(30) ? " on (\(labels.joined(separator: ", ")))" : ""
    return Piece(
      text: "\(atom(left)) \(operation.text)\(matching) \(atom(right))", traits: operation.traits, labels: labels)
  }

  /// Many series and an aggregation of others, or the other way round.
  private mutating func grouped(_ depth: Int) -> Piece {
    let labels = pick([["job"], ["instance"], ["job", "instance"]])
    let (many, one) = (vector(depth - 1), aggregation(depth - 1, by: labels))
    let isLeft = chance(70)
    let (left, right) = isLeft ? (many, one) : (one, many)
    let operation = operation(left, right)
    let side = isLeft ? "group_left ()" : "group_right ()"
    return Piece(
      text: "\(atom(left)) \(operation.text) on (\(labels.joined(separator: ", "))) \(side) \(atom(right))",
      traits: operation.traits, labels: many.labels)
  }

  /// Series with the labels of a metric that says more of their instance.
  private mutating func joined(_ depth: Int) -> Piece {
    let many = vector(depth - 1)
    let info = pick(vocabulary.infos)
    let taken = info.labels.filter { _ in chance(60) }
    let isExact = many.traits.contains(.exact)
    return Piece(
      text: "\(atom(many)) * on (job, instance) group_left (\(taken.joined(separator: ", "))) \(info.name)",
      traits: isExact ? many.traits.subtracting([.distinct]) : many.traits.intersection(.positive),
      labels: many.labels + taken)
  }

  private mutating func ofSets(_ depth: Int) -> Piece {
    let (left, right) = (vector(depth - 1), vector(depth - 1))
    let matching =
      switch int(0...3) {
      case 0: " on (\(pick(["job", "instance", "job, instance", ""])))"
      case 1: " ignoring (\(pick(["zone", "code", "instance"])))"
      default: ""
      }
    let operation = pick(["and", "or", "unless", "and", "or"])
    let traits = operation == "or" ? left.traits.intersection(right.traits) : left.traits
    return Piece(
      text: "\(atom(left)) \(operation)\(matching) \(atom(right))", traits: traits.subtracting(.distinct),
      labels: left.labels)
  }

  /// Two vectors as they come: mostly nothing, or an error.
  private mutating func ofAnything(_ depth: Int) -> Piece {
    let (left, right) = (vector(depth - 1), vector(depth - 1))
    let operation = operation(left, right)
    let labels = pick(["job", "instance", "job, instance", "code", "zone", ""])
    let matching = chance(70) ? " \(pick(["on", "ignoring"])) (\(labels))" : ""
    let side = matching.isEmpty || chance(60) ? "" : pick([" group_left ()", " group_right ()", " group_left (new)"])
    return Piece(
      text: "\(atom(left)) \(operation.text)\(matching)\(side) \(atom(right))", traits: operation.traits,
      labels: left.labels)
  }
}
