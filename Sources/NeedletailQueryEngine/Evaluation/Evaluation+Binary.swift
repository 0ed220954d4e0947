import NeedletailQueryLanguage
import NeedletailTelemetry

// Operators between vectors and scalars, and between vectors whose series find each other by their labels.

extension Evaluation {
  func binary(_ node: BinaryExpression, span: SourceSpan, _ steps: Steps) async throws -> VectorGrid {
    if node.operation.isConditional { return try await conditional(node, steps) }
    switch (node.left.type, node.right.type) {
    case (.vector, .vector):
      let left = try await vector(node.left, steps)
      let right = try await vector(node.right, steps)
      if node.operation.isSet { return try set(node, left, right) }
      return try matched(node, left, right, span: span, steps)
    case (.vector, .scalar):
      let scalars = try await scalar(node.right, steps)
      return try withScalar(node, try await vector(node.left, steps), scalars, scalarIsLeft: false, span: span)
    default:
      let scalars = try await scalar(node.left, steps)
      return try withScalar(node, try await vector(node.right, steps), scalars, scalarIsLeft: true, span: span)
    }
  }

  private func dropsName(_ node: BinaryExpression) -> Bool {
    !node.keepsNames && ((!node.operation.isComparison && !node.operation.isTrim) || node.returnsBool)
  }

  /// Whether what comes of a row of the "many" side loses the metric's name at the end; of arithmetic it has none then.
  private func losesName(_ node: BinaryExpression, _ many: Bool) -> Bool {
    engine.features.delaysNameRemoval && ((node.returnsBool && !node.keepsNames) || (many && !dropsName(node)))
  }

  // MARK: A vector and a scalar

  private func withScalar(
    _ node: BinaryExpression, _ vector: VectorGrid, _ scalars: [Double], scalarIsLeft: Bool, span: SourceSpan
  ) throws -> VectorGrid {
    var grid = vector
    let operation = node.operation
    for row in 0..<grid.count {
      for step in scalars.indices {
        switch grid.cell(row, step) {
        case .absent: continue
        case .number(let value):
          let (left, right) = scalarIsLeft ? (scalars[step], value) : (value, scalars[step])
          if operation.isTrim {
            incompatible(operation, "float", "float", at: span)
            grid.clear(row, step)
          } else if operation.isComparison, !node.returnsBool {
            if !operation.holds(left, right) { grid.clear(row, step) }
          } else {
            grid.set(row, step, operation.compute(left, right))
          }
        case .histogram(let histogram):
          let result: VectorGrid.Cell =
            switch operation {
            case .multiply: .histogram(histogram.scaled(by: scalars[step]))
            case .divide where !scalarIsLeft: .histogram(histogram.divided(by: scalars[step]))
            case .trimUpper where !scalarIsLeft, .trimLower where !scalarIsLeft:
              .histogram(histogram.trimmed(at: scalars[step], keepsBelow: operation == .trimUpper))
            default: .absent
            }
          if case .absent = result {
            let kinds = scalarIsLeft ? ("float", "histogram") : ("histogram", "float")
            incompatible(operation, kinds.0, kinds.1, at: span)
          }
          grid.set(row, step, result)
        }
      }
    }
    if dropsName(node) { try dropNames(of: &grid) }
    return grid
  }

  private func incompatible(_ operation: BinaryOperator, _ left: String, _ right: String, at span: SourceSpan) {
    inform(
      "incompatible sample types encountered for binary operator \"\(operation.rawValue)\": \(left) "
        + "\(operation.rawValue) \(right)", at: span)
  }

  // MARK: Two vectors

  func projection(_ matching: VectorMatching) -> LabelProjection {
    matching.isOn ? LabelProjection(keeping: matching.labels) : LabelProjection(dropping: matching.labels)
  }

  /// The rows of a grid by what they match on.
  func rows(_ grid: VectorGrid, _ projection: LabelProjection) -> [LabelSet: [Int]] {
    var result: [LabelSet: [Int]] = Dictionary(minimumCapacity: grid.count)
    for row in 0..<grid.count { result[projection.apply(grid.labels[row]), default: []].append(row) }
    return result
  }

  private func matched(
    _ node: BinaryExpression, _ left: VectorGrid, _ right: VectorGrid, span: SourceSpan, _ steps: Steps
  ) throws -> VectorGrid {
    let matching = node.matching
    let projection = projection(matching)
    let isSwapped = matching.cardinality == .oneToMany
    var many = isSwapped ? right : left
    var one = isSwapped ? left : right
    try fill(matching, projection, &many, &one)
    let oneRows = rows(one, projection)
    let manyRows = rows(many, projection)
    // Two series of the "one" side that match are an error even where none of the other side matches them, but not where
    // the other side has nothing at all.
    let isFilled = matching.fillLeft != nil || matching.fillRight != nil
    for (key, members) in oneRows where members.count > 1 {
      for step in 0..<steps.count where members.filter({ one.isPresent($0, step) }).count > 1 {
        guard isFilled || (0..<many.count).contains(where: { many.isPresent($0, step) }) else { continue }
        throw duplicates(key, members.map { one.labels[$0] }, side: isSwapped ? "left" : "right")
      }
    }
    let hasOnlyNumbers = many.histograms.isEmpty && one.histograms.isEmpty && !node.operation.isTrim
    var result = VectorGrid(width: steps.count)
    var resultRows: [LabelSet: Int] = [:]
    let mayDrop = matching.cardinality != .oneToOne && node.operation.isComparison && !node.returnsBool
    var matches: [Int: [Bool]] = [:]
    for row in 0..<many.count {
      guard let partners = oneRows[projection.apply(many.labels[row])] else { continue }
      for partner in partners {
        let labels = resultLabels(node, many.labels[row], one.labels[partner])
        let target = resultRows[labels] ?? result.addRow(labels, losesName: losesName(node, many.losesName[row]))
        resultRows[labels] = target
        try reserve(rows: result.count, steps)
        try spend(0)
        if mayDrop { try note(node, many, row, one, partner, in: &matches[target]) }
        if hasOnlyNumbers {
          try combineNumbers(node, many, row, one, partner, isSwapped: isSwapped, into: &result, target)
          continue
        }
        for step in 0..<steps.count {
          let (lhs, rhs) =
            isSwapped
            ? (one.cell(partner, step), many.cell(row, step)) : (many.cell(row, step), one.cell(partner, step))
          let cell = combine(node, lhs, rhs, at: span)
          if case .absent = cell { continue }
          guard !result.isPresent(target, step) else { throw multipleMatches(node) }
          result.set(target, step, cell)
        }
      }
    }
    if matching.cardinality == .oneToOne {
      try checkOneToOne(node, manyRows, oneRows, many, one, steps)
    }
    return result
  }

  /// Notes at which steps two rows match: a second match of the same result is an error even where the comparison drops it.
  private func note(
    _ node: BinaryExpression, _ many: VectorGrid, _ row: Int, _ one: VectorGrid, _ partner: Int,
    in matches: inout [Bool]?
  ) throws {
    var found = matches ?? [Bool](repeating: false, count: many.width)
    matches = nil
    for step in found.indices where many.isPresent(row, step) && one.isPresent(partner, step) {
      guard !found[step] else { throw multipleMatches(node) }
      found[step] = true
    }
    matches = found
  }

  /// One row over another where there are no histograms, which is nearly always.
  @inline(never)
  private func combineNumbers(
    _ node: BinaryExpression, _ many: VectorGrid, _ row: Int, _ one: VectorGrid, _ partner: Int, isSwapped: Bool,
    into result: inout VectorGrid, _ target: Int
  ) throws {
    let filters = node.operation.isComparison && !node.returnsBool
    for step in 0..<result.width {
      guard let first = many.number(row, step), let second = one.number(partner, step) else { continue }
      let (left, right) = isSwapped ? (second, first) : (first, second)
      if filters, !node.operation.holds(left, right) { continue }
      guard !result.isPresent(target, step) else { throw multipleMatches(node) }
      result.set(target, step, filters ? left : node.operation.compute(left, right))
    }
  }

  private func multipleMatches(_ node: BinaryExpression) -> QueryError {
    .execution(
      node.matching.cardinality == .oneToOne
        ? "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        : "multiple matches for labels: grouping labels must ensure unique matches")
  }

  @inline(never)
  private func duplicates(_ key: LabelSet, _ labels: [LabelSet], side: String) -> QueryError {
    let found = labels.prefix(2).map { $0.description }.joined(separator: ", ")
    return .execution(
      "found duplicate series for the match group \(key) on the \(side) hand-side of the operation: [\(found)];"
        + "many-to-many matching not allowed: matching labels must be unique on one side")
  }

  /// Two series of the left side that match the same one on the right.
  @inline(never)
  private func checkOneToOne(
    _ node: BinaryExpression, _ manyRows: [LabelSet: [Int]], _ oneRows: [LabelSet: [Int]], _ many: VectorGrid,
    _ one: VectorGrid, _ steps: Steps
  ) throws {
    for (key, members) in manyRows where members.count > 1 {
      guard let partners = oneRows[key] else { continue }
      for step in 0..<steps.count {
        guard partners.contains(where: { one.isPresent($0, step) }) else { continue }
        let matches = members.filter { many.isPresent($0, step) }
        guard matches.count <= 1 else {
          throw multipleMatches(node)
        }
      }
    }
  }

  @inline(never)
  private func resultLabels(_ node: BinaryExpression, _ many: LabelSet, _ one: LabelSet) -> LabelSet {
    let matching = node.matching
    let keepsName = !dropsName(node) || (node.returnsBool && engine.features.delaysNameRemoval)
    var labels = keepsName ? many : many.withoutName
    if matching.cardinality == .oneToOne {
      if matching.isOn {
        labels = LabelProjection(keeping: matching.labels).apply(labels)
      } else if !matching.labels.isEmpty {
        labels = labels.dropping(matching.labels.map { Array($0.utf8) })
      }
    }
    for name in matching.include { labels = labels.setting(name, one[name] ?? "") }
    return labels
  }

  @inline(never)
  private func combine(
    _ node: BinaryExpression, _ left: VectorGrid.Cell, _ right: VectorGrid.Cell, at span: SourceSpan
  ) -> VectorGrid.Cell {
    let operation = node.operation
    switch (left, right) {
    case (.absent, _), (_, .absent): return .absent
    case (.number, .number) where operation.isTrim:
      incompatible(operation, "float", "float", at: span)
      return .absent
    case (.number(let one), .number(let other)):
      guard operation.isComparison, !node.returnsBool else { return .number(operation.compute(one, other)) }
      return operation.holds(one, other) ? left : .absent
    case (.histogram(let one), .histogram(let other)):
      return combine(node, one, other, at: span)
    case (.histogram(let histogram), .number(let number)):
      if operation == .multiply { return .histogram(histogram.scaled(by: number)) }
      if operation == .divide { return .histogram(histogram.divided(by: number)) }
      if operation.isTrim { return .histogram(histogram.trimmed(at: number, keepsBelow: operation == .trimUpper)) }
      incompatible(operation, "histogram", "float", at: span)
      return .absent
    case (.number(let number), .histogram(let histogram)):
      if operation == .multiply { return .histogram(histogram.scaled(by: number)) }
      incompatible(operation, "float", "histogram", at: span)
      return .absent
    }
  }

  private func combine(
    _ node: BinaryExpression, _ left: NativeHistogram, _ right: NativeHistogram, at span: SourceSpan
  ) -> VectorGrid.Cell {
    switch node.operation {
    case .add, .subtract:
      let isSum = node.operation == .add
      guard let combination = left.adding(right, factor: isSum ? 1 : -1) else {
        warn(
          "vector contains a mix of histograms with exponential and custom buckets schemas", at: span)
        return .absent
      }
      if combination.reconciledBounds {
        inform(
          "mismatched custom buckets were reconciled during \(isSum ? "addition" : "subtraction")", at: span)
      }
      if combination.collidingHints {
        warn("conflicting counter resets during histogram \(isSum ? "addition" : "subtraction")", at: span)
      }
      return .histogram(combination.histogram.compacted)
    case .equal, .notEqual:
      let holds = left.observesSame(as: right) == (node.operation == .equal)
      if node.returnsBool { return .number(holds ? 1 : 0) }
      return holds ? .histogram(left) : .absent
    default:
      incompatible(node.operation, "histogram", "histogram", at: span)
      return .absent
    }
  }

  // MARK: Sets

  private func set(_ node: BinaryExpression, _ left: VectorGrid, _ right: VectorGrid) throws -> VectorGrid {
    let projection = projection(node.matching)
    let isUnion = node.operation == .or
    let (kept, other) = isUnion ? (right, left) : (left, right)
    let wantsMatch = node.operation == .and
    let otherRows = rows(other, projection)
    var filtered = VectorGrid(width: kept.width)
    for row in 0..<kept.count {
      let partners = otherRows[projection.apply(kept.labels[row])] ?? []
      try spend(0)
      let target = filtered.addRow(kept.labels[row], losesName: kept.losesName[row])
      for step in 0..<kept.width where kept.isPresent(row, step) {
        if partners.contains(where: { other.isPresent($0, step) }) == wantsMatch {
          filtered.set(target, step, kept.cell(row, step))
        }
      }
      filtered.dropLastRowIfEmpty()
    }
    guard isUnion else { return filtered }
    var result = left
    result.isOrdered = false
    for row in 0..<filtered.count {
      let target = result.addRow(filtered.labels[row], losesName: filtered.losesName[row])
      for step in 0..<filtered.width { result.set(target, step, filtered.cell(row, step)) }
    }
    try result.mergeEqualRows()
    return result
  }
}
