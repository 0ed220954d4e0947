import NeedletailTelemetry

// What the engine does with label sets: dropping and keeping labels, and the order in which results are sorted.

extension LabelSet {
  private static let nameBytes = Array(LabelSet.nameLabel.utf8)

  /// The labels without the metric's name.
  var withoutName: LabelSet { removing { $0.elementsEqual(Self.nameBytes) } }

  /// Only the labels of these names, given as bytes.
  func keeping(_ names: [[UInt8]]) -> LabelSet {
    removing { name in !names.contains { name.elementsEqual($0) } }
  }

  /// All but the labels of these names, given as bytes.
  func dropping(_ names: [[UInt8]]) -> LabelSet {
    removing { name in names.contains { name.elementsEqual($0) } }
  }

  /// The labels with one set, or removed where the value is empty.
  func setting(_ name: String, _ value: String) -> LabelSet {
    var builder = LabelSetBuilder()
    forEach { builder.set($0, $1) }
    builder.set(name, value)
    return builder.build()
  }

  /// Whether this sorts before the other: label by label, names first, then values.
  func sortsBefore(_ other: LabelSet) -> Bool {
    withUnsafeBytes { ours in
      other.withUnsafeBytes { theirs in
        var left = ByteReader(ours)
        var right = ByteReader(theirs)
        while !left.isAtEnd, !right.isAtEnd {
          guard let leftName = try? left.readPrefixed(), let rightName = try? right.readPrefixed(),
            let leftValue = try? left.readPrefixed(), let rightValue = try? right.readPrefixed()
          else { return false }
          if !leftName.elementsEqual(rightName) { return leftName.precedes(rightName) }
          if !leftValue.elementsEqual(rightValue) { return leftValue.precedes(rightValue) }
        }
        return left.isAtEnd && !right.isAtEnd
      }
    }
  }
}

/// What becomes of labels in an aggregation or a match: only some are kept, or some are dropped and the name with them.
struct LabelProjection {
  private let names: [[UInt8]]
  private let keeps: Bool

  /// Keeps only these labels.
  init(keeping names: [String]) {
    self.names = names.map { Array($0.utf8) }
    keeps = true
  }

  /// Drops these labels and the metric's name.
  init(dropping names: [String]) {
    self.names = (names + [LabelSet.nameLabel]).map { Array($0.utf8) }
    keeps = false
  }

  func apply(_ labels: LabelSet) -> LabelSet {
    keeps ? (names.isEmpty ? .empty : labels.keeping(names)) : labels.dropping(names)
  }
}
