/// One name and value of a label set, as text.
package struct Label: Hashable, Sendable {
  package var name: String
  package var value: String

  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// The labels of a series in their one canonical form: sorted by the bytes of the name, no name twice, no empty value.
///
/// It is a flat byte string, for each label a varint length and the name, a varint length and the value, so that equality,
/// hashing and storing are operations on bytes. The metric's name is the label `__name__`, as in Prometheus.
package struct LabelSet: Hashable, Sendable {
  package static let empty = LabelSet(canonicalBytes: [])

  /// The label that holds the metric's name.
  package static let nameLabel = "__name__"

  /// The canonical form.
  package let canonicalBytes: [UInt8]

  /// Trusts that `canonicalBytes` came from a `LabelSet` or passed `init(validating:)`.
  package init(canonicalBytes: [UInt8]) { self.canonicalBytes = canonicalBytes }

  /// Checks bytes from a disk or a peer: well formed, sorted, no name twice or empty, no value empty, lengths in their
  /// shortest form.
  package init(validating bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    try Self.check(bytes)
    canonicalBytes = Array(bytes)
  }

  /// Checks what `init(validating:)` checks, and makes nothing of it. O(bytes).
  package static func check(_ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    var previous: UnsafeRawBufferPointer?
    while !reader.isAtEnd {
      let start = reader.offset
      let name = try reader.readPrefixed()
      let value = try reader.readPrefixed()
      guard !name.isEmpty, !value.isEmpty else { throw .invalid("a label's name or value is empty") }
      // One set of labels has one form: a longer length would give it another identity.
      guard reader.offset - start == Self.prefixedCount(name) + Self.prefixedCount(value) else {
        throw .invalid("a label's length is not in its shortest form")
      }
      if let previous, !previous.precedes(name) { throw .invalid("labels are not sorted or a name stands twice") }
      previous = name
    }
  }

  /// Bytes that a text takes behind its length.
  private static func prefixedCount(_ text: UnsafeRawBufferPointer) -> Int {
    text.count + max(1, (Int.bitWidth - text.count.leadingZeroBitCount + 6) / 7)
  }

  /// Sorts; a later value of the same name wins; an empty value means that there is no such label.
  package init(_ labels: some Sequence<Label>) {
    var builder = LabelSetBuilder()
    for label in labels { builder.set(label.name, label.value) }
    self = builder.build()
  }

  package init(_ labels: KeyValuePairs<String, String>) {
    self.init(labels.map { Label($0.key, $0.value) })
  }

  package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try canonicalBytes.withUnsafeBytes(body)
  }

  package var isEmpty: Bool { canonicalBytes.isEmpty }

  /// All labels as text, in order.
  package var labels: [Label] {
    var result: [Label] = []
    forEach { name, value in
      result.append(Label(String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
    }
    return result
  }

  /// Calls `body` with the bytes of every name and value, in order, without making text of them.
  package func forEach(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      while let name = try? reader.readPrefixed(), let value = try? reader.readPrefixed() { body(name, value) }
    }
  }

  /// The value of a label, or nil where the set has none of that name. O(labels).
  package subscript(name: String) -> String? {
    var wanted = name
    return wanted.withUTF8 { wanted in
      withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        while let name = try? reader.readPrefixed(), let value = try? reader.readPrefixed() {
          if name.elementsEqual(wanted) { return String(decoding: value, as: UTF8.self) }
        }
        return nil
      }
    }
  }

  /// The metric's name, where there is one.
  package var metricName: String? { self[Self.nameLabel] }

  /// The same labels without those that `isDropped` names. O(bytes).
  package func removing(_ isDropped: (UnsafeRawBufferPointer) -> Bool) -> LabelSet {
    var writer = ByteWriter(reserving: canonicalBytes.count)
    forEach { name, value in
      guard !isDropped(name) else { return }
      writer.appendPrefixed(name)
      writer.appendPrefixed(value)
    }
    return LabelSet(canonicalBytes: writer.bytes)
  }
}

extension LabelSet {
  /// Compares bytes, not elements: label sets are keys of every grouping and join.
  package static func == (left: LabelSet, right: LabelSet) -> Bool {
    left.withUnsafeBytes { left in right.withUnsafeBytes { left.hasSameBytes(as: $0) } }
  }

  /// Hashes all bytes to a word first.
  ///
  /// The word is seeded by the hasher's own, and is not what is stored.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(withUnsafeBytes { xxHash64($0, seed: LabelSet.hashSeed) })
  }

  /// Differs from process to process, so that nobody can choose labels that collide.
  private static let hashSeed = UInt64(bitPattern: Int64("a label set".hashValue))
}

extension LabelSet: CustomStringConvertible {
  /// As PromQL writes a series: `name{label="value"}`.
  package var description: String {
    let rest = labels.filter { $0.name != Self.nameLabel }
      .map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
      .joined(separator: ", ")
    let name = metricName ?? ""
    return rest.isEmpty && !name.isEmpty ? name : "\(name){\(rest)}"
  }

  private static func escaped(_ value: String) -> String {
    var result = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
