import NeedletailQueryEngine
import NeedletailTelemetry
import NeedletailWire

/// The byte form of a selection, as one node asks another for it: docs/formats/peer.md.
enum SelectionMessage {
  static let version: UInt8 = 1
  /// The most conditions that a selection has.
  private static let matchersMax = 1024

  /// All of a selection but its hints on aggregation and labels, which a node does not use for others.
  ///
  /// Throws `QueryError` where the other node would refuse it.
  static func encode(_ selection: SeriesSelection) throws(QueryError) -> [UInt8] {
    try checkBounds([selection.matchers])
    var writer = ByteWriter()
    writer.append(version)
    encode(selection.tenant, to: &writer)
    encode(selection.matchers, to: &writer)
    encode(selection.range, to: &writer)
    writer.append(selection.hints.needsStarts ? UInt8(1) : 0)
    writer.appendVarint(UInt64(clamping: selection.limits.series))
    writer.appendVarint(UInt64(clamping: selection.limits.samples))
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(MalformedBytes) -> SeriesSelection {
    try reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("a selection of an unknown version") }
      let tenant = try tenant(&reader)
      var patterns = PatternRoom()
      let matchers = try matchers(&reader, &patterns)
      var selection = SeriesSelection(tenant: tenant, matchers: matchers, range: try range(&reader))
      selection.hints.needsStarts = try reader.read(UInt8.self) != 0
      selection.limits.series = Int(clamping: try reader.readVarint())
      selection.limits.samples = Int(clamping: try reader.readVarint())
      return selection
    }
  }

  /// The byte form of a question for lists; throws `QueryError` where the other node would refuse it.
  static func encode(_ scope: MetadataScope, limit: Int, name: String = "") throws(QueryError) -> [UInt8] {
    try checkBounds(scope.selectors)
    var writer = ByteWriter()
    writer.append(version)
    encode(scope.tenant, to: &writer)
    writer.appendVarint(UInt64(scope.selectors.count))
    for selector in scope.selectors { encode(selector, to: &writer) }
    encode(scope.range, to: &writer)
    writer.appendVarint(UInt64(clamping: limit))
    writer.appendPrefixed(name)
    return writer.bytes
  }

  static func decodeScope(
    _ bytes: [UInt8]
  ) throws(MalformedBytes) -> (scope: MetadataScope, limit: Int, name: String) {
    try reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("a question of an unknown version") }
      let tenant = try tenant(&reader)
      var patterns = PatternRoom()
      var selectors: [[LabelMatcher]] = []
      for _ in 0..<(try count(&reader)) { selectors.append(try matchers(&reader, &patterns)) }
      let range = try range(&reader)
      let limit = Int(clamping: try reader.readVarint())
      return (
        MetadataScope(tenant: tenant, selectors: selectors, range: range), limit, try reader.readPrefixedString()
      )
    }
  }

  // MARK: - Parts

  static func encode(_ tenant: TenantID, to writer: inout ByteWriter) {
    writer.appendPrefixed(tenant.description)
  }

  static func tenant(_ reader: inout ByteReader) throws(MalformedBytes) -> TenantID {
    guard let tenant = TenantID(try reader.readPrefixedString()) else { throw .invalid("no tenant's name") }
    return tenant
  }

  private static func encode(_ range: TimeRange, to writer: inout ByteWriter) {
    writer.append(range.startMilliseconds)
    writer.append(range.endMilliseconds)
  }

  private static func range(_ reader: inout ByteReader) throws(MalformedBytes) -> TimeRange {
    let start = try reader.read(Int64.self)
    guard let range = TimeRange(startMilliseconds: start, endMilliseconds: try reader.read(Int64.self)) else {
      throw .invalid("a range ends before it begins")
    }
    return range
  }

  static func encode(_ matchers: [LabelMatcher], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(matchers.count))
    for matcher in matchers {
      writer.append(UInt8(truncatingIfNeeded: LabelMatcher.Operation.allCases.firstIndex(of: matcher.operation) ?? 0))
      writer.appendPrefixed(matcher.name)
      writer.appendPrefixed(matcher.value)
    }
  }

  static func matchers(
    _ reader: inout ByteReader, _ patterns: inout PatternRoom
  ) throws(MalformedBytes) -> [LabelMatcher] {
    var matchers: [LabelMatcher] = []
    for _ in 0..<(try count(&reader)) {
      let operation = Int(try reader.read(UInt8.self))
      guard operation < LabelMatcher.Operation.allCases.count else { throw .invalid("an unknown comparison") }
      let name = try reader.readPrefixedString()
      let value = try reader.readPrefixedString()
      guard patterns.takes(LabelMatcher.Operation.allCases[operation], value) else {
        throw .invalid("too many regular expressions")
      }
      do throws(RegularExpressionError) {
        matchers.append(try LabelMatcher(name, LabelMatcher.Operation.allCases[operation], value))
      } catch { throw .invalid("a regular expression that cannot be read") }
    }
    return matchers
  }

  /// The regular expressions that a message may still have: each is compiled where it is read.
  struct PatternRoom {
    private var count = RemoteReadRequest.patternsMax
    private var bytes = RemoteReadRequest.patternBytesMax

    mutating func takes(_ operation: LabelMatcher.Operation, _ value: String) -> Bool {
      guard operation == .matches || operation == .notMatches else { return true }
      count -= 1
      bytes -= value.utf8.count
      return count >= 0 && bytes >= 0
    }
  }

  static func checkBounds(_ selectors: [[LabelMatcher]]) throws(QueryError) {
    guard selectors.count <= matchersMax, selectors.allSatisfy({ $0.count <= matchersMax }) else {
      throw QueryError(.execution, "a selection of more than \(matchersMax) conditions cannot be asked of other nodes")
    }
    var patterns = PatternRoom()
    guard selectors.joined().allSatisfy({ patterns.takes($0.operation, $0.value) }) else {
      throw QueryError(
        .execution,
        "a selection of more than \(RemoteReadRequest.patternsMax) regular expressions, or"
          + " \(RemoteReadRequest.patternBytesMax) bytes of them, cannot be asked of other nodes")
    }
  }

  private static func count(_ reader: inout ByteReader) throws(MalformedBytes) -> Int {
    let count = try reader.readCount()
    guard count <= matchersMax else { throw .invalid("too many conditions") }
    return count
  }

  /// Reads all of some bytes.
  static func reading<Result>(
    _ bytes: [UInt8], _ body: (inout ByteReader) throws(MalformedBytes) -> Result
  ) throws(MalformedBytes) -> Result {
    var result: Swift.Result<Result, MalformedBytes> = .failure(.truncated)
    bytes.withUnsafeBytes { bytes in
      result = Swift.Result { () throws(MalformedBytes) in
        var reader = ByteReader(bytes)
        let value = try body(&reader)
        try reader.expectEnd()
        return value
      }
    }
    return try result.get()
  }
}
