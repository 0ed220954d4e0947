import NeedletailTelemetry

// What the engine does with label sets: dropping and keeping labels, and the order in which results are sorted.

extension LabelSet {
  private static let nameBytes = Array(LabelSet.nameLabel.utf8)

  /// The labels without the metric's name.
  var withoutName: LabelSet { splitName().rest }

  /// The bytes of the metric's name, none where there is none, and the labels without it.
  ///
  /// Two copies at most, as it is done for every series of a query.
  func splitName() -> (name: ArraySlice<UInt8>, rest: LabelSet) {
    let found: (label: Range<Int>, name: Range<Int>)? = withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      while !reader.isAtEnd {
        let start = reader.offset
        guard let name = try? reader.readPrefixed(), let value = try? reader.readPrefixed() else { return nil }
        let isName = Self.nameBytes.withUnsafeBytes { name.hasSameBytes(as: $0) }
        if isName { return (start..<reader.offset, (reader.offset - value.count)..<reader.offset) }
      }
      return nil
    }
    guard let found else { return ([], self) }
    var rest: [UInt8] = []
    rest.reserveCapacity(canonicalBytes.count - found.label.count)
    rest += canonicalBytes[..<found.label.lowerBound]
    rest += canonicalBytes[found.label.upperBound...]
    return (canonicalBytes[found.name], LabelSet(canonicalBytes: rest))
  }

  /// Only the labels of these names, given as bytes.
  func keeping(_ names: [[UInt8]]) -> LabelSet {
    removing { name in !names.contains { $0.withUnsafeBytes { name.hasSameBytes(as: $0) } } }
  }

  /// All but the labels of these names, given as bytes.
  func dropping(_ names: [[UInt8]]) -> LabelSet {
    removing { name in names.contains { $0.withUnsafeBytes { name.hasSameBytes(as: $0) } } }
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
          let names = leftName.order(to: rightName)
          if names != 0 { return names < 0 }
          let values = leftValue.order(to: rightValue)
          if values != 0 { return values < 0 }
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

  /// Whether nothing is left of any labels.
  var keepsNothing: Bool { keeps && names.isEmpty }

  func apply(_ labels: LabelSet) -> LabelSet {
    keeps ? (names.isEmpty ? .empty : labels.keeping(names)) : labels.dropping(names)
  }
}
