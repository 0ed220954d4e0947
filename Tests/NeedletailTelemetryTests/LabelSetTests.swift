import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@Suite("Label sets")
struct LabelSetTests {
  @Test("the order in which labels are set does not matter", arguments: 1...50)
  func canonical(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var labels: [String: String] = [:]
    for _ in 0..<generator.int(0...12) {
      labels[generator.pick(["a", "b", "aa", "A", "__name__", "é", "z_9"])] = generator.pick(["", "x", "yy", "Ω"])
    }
    let one = LabelSet(labels.map { Label($0.key, $0.value) })
    let other = LabelSet(labels.map { Label($0.key, $0.value) }.shuffled(using: &generator.random))
    #expect(one == other)
    #expect(SeriesID(one, tenant: .default) == SeriesID(other, tenant: .default))
    #expect(
      Dictionary(uniqueKeysWithValues: one.labels.map { ($0.name, $0.value) }) == labels.filter { $0.value != "" })
    #expect(
      one.labels.map { Array($0.name.utf8) }
        == one.labels.map { Array($0.name.utf8) }.sorted { $0.lexicographicallyPrecedes($1) })
    for (name, value) in labels { #expect(one[name] == (value.isEmpty ? nil : value)) }
    let read = try one.withUnsafeBytes { try LabelSet(validating: $0) }
    #expect(read == one)
  }

  @Test("of two values for a name the later wins, and an empty one takes the label away")
  func overwriting() {
    #expect(LabelSet(["a": "1", "b": "2", "a": "3"]) == LabelSet(["b": "2", "a": "3"]))
    #expect(LabelSet(["a": "1", "a": ""]).isEmpty)
  }

  @Test("many labels are sorted as few are, and the later of one name wins", arguments: [1, 31, 32, 33, 500])
  func many(count: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(count))
    var builder = LabelSetBuilder()
    var last: [String: String] = [:]
    for index in 0..<count {
      let name = "n\(generator.int(0...count))"
      builder.set(name, "\(index)")
      last[name] = "\(index)"
    }
    #expect(builder.hasDuplicates == (last.count < count))
    let set = builder.build()
    #expect(Dictionary(uniqueKeysWithValues: set.labels.map { ($0.name, $0.value) }) == last)
    _ = try set.withUnsafeBytes { try LabelSet(validating: $0) }
  }

  @Test("bytes are ordered as a plain comparison orders them", arguments: 1...20)
  func byteOrder(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    for _ in 0..<200 {
      let (left, right) = (generator.bytes(generator.int(0...3)), generator.bytes(generator.int(0...3)))
      left.withUnsafeBytes { one in
        right.withUnsafeBytes { other in
          #expect(one.precedes(other) == left.lexicographicallyPrecedes(right))
          #expect(one.hasSameBytes(as: other) == (left == right))
          #expect((one.order(to: other) == 0) == (left == right))
        }
      }
    }
  }

  @Test("bytes that are not canonical are refused")
  func refusesNonCanonical() {
    func bytes(_ pairs: [(String, String)]) -> [UInt8] {
      var writer = ByteWriter()
      for (name, value) in pairs {
        writer.appendPrefixed(name)
        writer.appendPrefixed(value)
      }
      return writer.bytes
    }
    for bad in [[("b", "1"), ("a", "1")], [("a", "1"), ("a", "2")], [("", "1")], [("a", "")]] {
      _ = bytes(bad).withUnsafeBytes { bytes in
        #expect(throws: MalformedBytes.self) { _ = try LabelSet(validating: bytes) }
      }
    }
    let whole = bytes([("a", "1"), ("b", "22")])
    for count in 1..<whole.count where count != 4 {
      _ = whole.withUnsafeBytes { bytes in
        #expect(throws: MalformedBytes.self) {
          _ = try LabelSet(validating: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
      }
    }
  }

  @Test("a length in a longer form than needed is refused, as it would give the labels another identity")
  func refusesLongLengths() {
    for bad: [UInt8] in [[0x81, 0, 97, 1, 98], [1, 97, 0x81, 0, 98]] {
      _ = bad.withUnsafeBytes { bytes in
        #expect(throws: MalformedBytes.self) { _ = try LabelSet(validating: bytes) }
      }
    }
  }

  @Test("random bytes are refused or canonical, and never trap", arguments: 1...20)
  func randomBytes(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    for _ in 0..<500 {
      let bytes = generator.bytes(generator.int(0...24)).map { generator.oneIn(3) ? $0 : $0 & 3 }
      bytes.withUnsafeBytes { bytes in
        guard let set = try? LabelSet(validating: bytes) else { return }
        #expect(set.canonicalBytes == Array(bytes))
        // Text that is not UTF-8 changes when it becomes a String; only without such labels can the text lead back.
        if set.canonicalBytes.allSatisfy({ $0 < 0x80 }) { #expect(LabelSet(set.labels) == set) }
      }
    }
  }

  @Test("equal labels of two tenants are two series")
  func tenants() throws {
    let other = try #require(TenantID("other"))
    #expect(SeriesID(LabelSet(["a": "b"]), tenant: .default) != SeriesID(LabelSet(["a": "b"]), tenant: other))
  }

  @Test("matchers count a missing label as empty")
  func matchers() throws {
    let labels = LabelSet(["__name__": "up", "job": "api"])
    let cases: [(String, LabelMatcher.Operation, String, Bool)] = [
      ("job", .equal, "api", true), ("job", .equal, "ap", false), ("job", .notEqual, "api", false),
      ("zone", .equal, "", true), ("zone", .notEqual, "", false), ("zone", .notEqual, "x", true),
      ("job", .matches, "a.i", true), ("job", .matches, "ap", false), ("job", .matches, "x|api", true),
      ("job", .notMatches, "a.*", false), ("zone", .matches, ".*", true), ("zone", .matches, ".+", false),
      ("zone", .notMatches, ".+", true),
    ]
    for (name, operation, value, expected) in cases {
      let matcher = try LabelMatcher(name, operation, value)
      #expect(matcher.matches(labels) == expected, "\(matcher)")
    }
    #expect(throws: RegularExpressionError.self) { _ = try LabelMatcher("a", .matches, "(") }
    #expect(throws: RegularExpressionError.self) {
      _ = try LabelMatcher("a", .matches, String(repeating: "a", count: RegularExpression.patternLengthMax + 1))
    }
  }
}
