import NeedletailTelemetry

// What the engine does with label sets: dropping and keeping labels, and the order in which results are sorted.

extension LabelSet {
  private static let nameBytes = Array(LabelSet.nameLabel.utf8)
  /// The labels that say of what type and unit a metric is; they go wherever its name goes.
  private static let typeBytes = Array("__type__".utf8)
  private static let unitBytes = Array("__unit__".utf8)

  /// The labels without the metric's name, type and unit.
  var withoutName: LabelSet { splitName().rest }

  /// Where the labels stand that describe the metric.
  private struct Descriptors {
    var name = 0..<0
    /// The first of them, and those that stand right behind it.
    var first = 0..<0
    /// The rest, where other labels stand between.
    var others: [Range<Int>] = []
    var hasType = false

    mutating func add(_ label: Range<Int>) {
      if first.isEmpty {
        first = label
      } else if others.isEmpty, label.lowerBound == first.upperBound {
        first = first.lowerBound..<label.upperBound
      } else {
        others.append(label)
      }
    }
  }

  private func descriptors() -> Descriptors {
    withUnsafeBytes { bytes in
      var result = Descriptors()
      var reader = ByteReader(bytes)
      while !reader.isAtEnd {
        let start = reader.offset
        // Labels are sorted: none of these stands behind one that begins with a small letter, as most do.
        guard let name = try? reader.readPrefixed(), let first = name.first, first <= UInt8(ascii: "_"),
          let value = try? reader.readPrefixed()
        else { return result }
        guard name.count == Self.nameBytes.count else { continue }
        if Self.nameBytes.withUnsafeBytes({ name.hasSameBytes(as: $0) }) {
          result.name = (reader.offset - value.count)..<reader.offset
          result.add(start..<reader.offset)
        } else if Self.typeBytes.withUnsafeBytes({ name.hasSameBytes(as: $0) })
          || Self.unitBytes.withUnsafeBytes({ name.hasSameBytes(as: $0) })
        {
          result.hasType = true
          result.add(start..<reader.offset)
        }
      }
      return result
    }
  }

  /// The bytes of the metric's name, none where there is none, the labels without it and without the metric's type and
  /// unit, and whether there was one of these two.
  ///
  /// Two copies at most, as it is done for every series of a query.
  func splitName() -> (name: ArraySlice<UInt8>, rest: LabelSet, hadType: Bool) {
    let found = descriptors()
    guard !found.first.isEmpty else { return ([], self, false) }
    var rest: [UInt8] = []
    rest.reserveCapacity(canonicalBytes.count - found.first.count)
    rest += canonicalBytes[..<found.first.lowerBound]
    var next = found.first.upperBound
    for label in found.others {
      rest += canonicalBytes[next..<label.lowerBound]
      next = label.upperBound
    }
    rest += canonicalBytes[next...]
    return (canonicalBytes[found.name], LabelSet(canonicalBytes: rest), found.hasType)
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
