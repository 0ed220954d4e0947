import NeedletailQueryLanguage
import NeedletailTelemetry

// MetricsQL's functions that change labels, or choose series by them. Where two series become alike and have values at
// the same step, the query fails, as it does in `label_replace`.

extension Evaluation {
  /// Evaluates one of these; nil where it is another.
  func labelCall(_ call: Call, _ steps: Steps) async throws -> VectorGrid? {
    let texts = try call.arguments.dropFirst().compactMap { $0.type == .string ? try string($0) : nil }
    let change: (LabelSet) -> LabelSet
    switch call.function {
    case .labelMatch, .labelMismatch, .labelsEqual: return try await chosen(call, texts, steps)
    case .labelValue: return try await labelValue(call, texts[0], steps)
    case .dropCommonLabels: return try await withoutCommonLabels(call.arguments[0], steps)
    case .labelTransform: return try await transformed(call, texts, steps)
    case .alias: change = { $0.setting(LabelSet.nameLabel, texts[0]) }
    case .labelSet: change = { Self.changed($0, texts) { $0[$1.0] = $1.1 } }
    case .labelDel:
      let names = texts.map { Array($0.utf8) }
      change = { $0.dropping(names) }
    case .labelKeep:
      let names = texts.map { Array($0.utf8) }
      change = { $0.keeping(names) }
    case .labelCopy, .labelMove:
      let moves = call.function == .labelMove
      change = { labels in
        Self.changed(labels, texts) { all, pair in
          // A label that is not there leaves the other as it is.
          guard let value = all[pair.0], !value.isEmpty, pair.0 != pair.1 else { return }
          all[pair.1] = value
          if moves { all[pair.0] = "" }
        }
      }
    case .labelMap:
      let label = texts[0]
      change = { labels in
        let value = labels[label] ?? ""
        for (from, to) in Self.pairs(texts.dropFirst()) where value == from { return labels.setting(label, to) }
        return labels
      }
    case .labelLowercase, .labelUppercase:
      let isUpper = call.function == .labelUppercase
      change = { labels in
        texts.reduce(labels) { labels, name in
          guard let value = labels[name] else { return labels }
          return labels.setting(name, isUpper ? value.uppercased() : value.lowercased())
        }
      }
    default: return nil
    }
    var grid = try await vector(call.arguments[0], steps)
    try relabel(&grid, change)
    return grid
  }

  /// Changes the labels of every row; a metric's name that is set here stays, also where the one before was to go.
  func relabel(_ grid: inout VectorGrid, _ change: (LabelSet) -> LabelSet) throws {
    try grid.relabel { labels, losesName in
      let changed = change(labels)
      if changed.metricName != labels.metricName { losesName = false }
      return changed
    }
  }

  private static func pairs(_ texts: ArraySlice<String>) -> [(String, String)] {
    stride(from: texts.startIndex, to: texts.endIndex - 1, by: 2).map { (texts[$0], texts[$0 + 1]) }
  }

  /// Labels after a change for each pair of texts.
  private static func changed(
    _ labels: LabelSet, _ texts: [String], _ change: (inout [String: String], (String, String)) -> Void
  ) -> LabelSet {
    var all: [String: String] = [:]
    for label in labels.labels { all[label.name] = label.value }
    for pair in pairs(texts[...]) { change(&all, pair) }
    return LabelSet(all.lazy.filter { !$0.value.isEmpty }.map { Label($0.key, $0.value) })
  }

  // MARK: Choices

  private func chosen(_ call: Call, _ texts: [String], _ steps: Steps) async throws -> VectorGrid {
    let grid = try await vector(call.arguments[0], steps)
    if call.function == .labelsEqual {
      return grid.selecting(
        (0..<grid.count).filter { row in
          let values = texts.map { grid.labels[row][$0] ?? "" }
          return values.allSatisfy { $0 == values[0] }
        })
    }
    let expression = try expression(texts[1])
    let wantsMatch = call.function == .labelMatch
    return grid.selecting(
      (0..<grid.count).filter { expression.matchesWhole(grid.labels[$0][texts[0]] ?? "") == wantsMatch })
  }

  private func expression(_ pattern: String) throws -> RegularExpression {
    do {
      return try RegularExpression(pattern)
    } catch {
      throw QueryError.execution("\(error)")
    }
  }

  private func labelValue(_ call: Call, _ name: String, _ steps: Steps) async throws -> VectorGrid {
    var grid = try await vector(call.arguments[0], steps)
    for row in 0..<grid.count {
      let value = Double(grid.labels[row][name] ?? "")
      for step in 0..<steps.count where grid.isPresent(row, step) {
        if let value { grid.set(row, step, value) } else { grid.clear(row, step) }
      }
    }
    grid = grid.selecting((0..<grid.count).filter { row in Double(grid.labels[row][name] ?? "") != nil })
    try dropNames(of: &grid, call)
    return grid
  }

  private func withoutCommonLabels(_ argument: Expression, _ steps: Steps) async throws -> VectorGrid {
    var grid = try await vector(argument, steps)
    var common = Set(grid.labels.first?.labels.map { [$0.name, $0.value] } ?? [])
    for labels in grid.labels.dropFirst() { common.formIntersection(labels.labels.map { [$0.name, $0.value] }) }
    let names = common.map { Array($0[0].utf8) }
    try grid.relabel { $0.dropping(names) }
    return grid
  }

  // MARK: Texts

  /// The longest value that a label may come to have, in bytes.
  private static let valueBytesMax = 65_536

  private func transformed(_ call: Call, _ texts: [String], _ steps: Steps) async throws -> VectorGrid {
    var grid = try await vector(call.arguments[0], steps)
    let expression = try expression(texts[1])
    let replacement = LabelTemplate(texts[2], expression)
    var isTooLong = false
    try relabel(&grid) { labels in
      let value = Array((labels[texts[0]] ?? "").utf8)
      let result = value.withUnsafeBytes { Self.replacingAll(of: expression, by: replacement, in: $0) }
      guard let result else {
        isTooLong = true
        return labels
      }
      return labels.setting(texts[0], result)
    }
    guard !isTooLong else {
      throw QueryError.execution("label_transform makes a label of more than \(Self.valueBytesMax) bytes")
    }
    return grid
  }

  /// The text with every match replaced; nil where that grows too long.
  private static func replacingAll(
    of expression: RegularExpression, by replacement: LabelTemplate, in text: UnsafeRawBufferPointer
  ) -> String? {
    var result = ""
    var copied = 0
    var search = 0
    var lastEnd = -1
    while search <= text.count, let groups = expression.capturesOfFirstMatch(in: text, from: search),
      let match = groups.first ?? nil
    {
      // Nothing right behind a match is none of its own.
      if !match.isEmpty || match.lowerBound != lastEnd {
        result += String(decoding: text[copied..<match.lowerBound], as: UTF8.self)
        result += replacement.expand(text, groups)
        copied = match.upperBound
        lastEnd = match.upperBound
        guard result.utf8.count <= valueBytesMax else { return nil }
      }
      search = match.upperBound
      guard match.isEmpty else { continue }
      repeat { search += 1 } while search < text.count && text[search] & 0xC0 == 0x80
    }
    return result + String(decoding: text[copied...], as: UTF8.self)
  }

  /// Labels whose metric's name is some of its parts between dots.
  static func graphiteGroups(_ groups: [Int], of labels: LabelSet) -> LabelSet {
    let parts = (labels.metricName ?? "").split(separator: ".", omittingEmptySubsequences: false)
    let chosen = groups.map { parts.indices.contains($0) ? String(parts[$0]) : "" }
    return labels.setting(LabelSet.nameLabel, chosen.joined(separator: "."))
  }
}
