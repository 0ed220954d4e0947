import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// The byte forms of questions about logs and spans, as one node asks another: docs/formats/peer.md.
enum EventQuestionMessage {
  static let version: UInt8 = 1
  /// The most filters that a selection has, and texts of one.
  private static let filtersMax = 1024
  /// How deep conditions on fields lie within each other.
  private static let depthMax = 64

  /// All that decides which events there are; how they are shown decides who asks.
  ///
  /// Throws `QueryError` where another node would refuse it.
  static func encode(_ selection: EventSelection) throws(QueryError) -> [UInt8] {
    try SelectionMessage.checkBounds([selection.matchers])
    var writer = ByteWriter()
    writer.append(version)
    SelectionMessage.encode(selection.tenant, to: &writer)
    SelectionMessage.encode(selection.matchers, to: &writer)
    encode(selection.range, to: &writer)
    writer.append(selection.order == .forward ? UInt8(0) : 1)
    writer.appendVarint(UInt64(clamping: selection.limit))
    writer.appendVarint(UInt64(selection.lineFilters.count))
    for filter in selection.lineFilters {
      writer.append(number(of: filter.operation, among: lineOperations))
      writer.appendVarint(UInt64(filter.texts.count))
      for text in filter.texts { writer.appendPrefixed(text) }
    }
    writer.appendVarint(UInt64(selection.fieldFilters.count))
    for filter in selection.fieldFilters { encode(filter, to: &writer) }
    do throws(MalformedBytes) { _ = try decode(writer.bytes) } catch {
      throw QueryError(.execution, "the selection cannot be asked of other nodes: \(error)")
    }
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(MalformedBytes) -> EventSelection {
    try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("a selection of an unknown version") }
      let tenant = try SelectionMessage.tenant(&reader)
      var patterns = SelectionMessage.PatternRoom()
      let matchers = try SelectionMessage.matchers(&reader, &patterns)
      var selection = EventSelection(tenant: tenant, matchers: matchers, range: try range(&reader))
      switch try reader.read(UInt8.self) {
      case 0: selection.order = .forward
      case 1: selection.order = .backward
      default: throw .invalid("an unknown order")
      }
      selection.limit = Int(clamping: try reader.readVarint())
      var room = filtersMax
      for _ in 0..<(try count(&reader)) { selection.lineFilters.append(try lineFilter(&reader, &patterns)) }
      for _ in 0..<(try count(&reader)) {
        selection.fieldFilters.append(try fieldFilter(&reader, &patterns, &room, depth: 0))
      }
      return selection
    }
  }

  // MARK: - Filters

  private static let lineOperations: [LineFilter.Operation] = [.contains, .containsNot, .matches, .matchesNot]
  private static let comparisons: [FieldFilter.Comparison] = [
    .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual,
  ]

  private static func number<Element: Equatable>(of element: Element, among all: [Element]) -> UInt8 {
    UInt8(truncatingIfNeeded: all.firstIndex(of: element) ?? 0)
  }

  private static func element<Element>(_ number: UInt8, of all: [Element]) throws(MalformedBytes) -> Element {
    guard Int(number) < all.count else { throw .invalid("an unknown comparison") }
    return all[Int(number)]
  }

  private static func lineFilter(
    _ reader: inout ByteReader, _ patterns: inout SelectionMessage.PatternRoom
  ) throws(MalformedBytes) -> LineFilter {
    let operation = try element(try reader.read(UInt8.self), of: lineOperations)
    var texts: [String] = []
    for _ in 0..<(try count(&reader)) {
      let text = try reader.readPrefixedString()
      let isPattern = operation == .matches || operation == .matchesNot
      guard !isPattern || patterns.takes(.matches, text) else { throw .invalid("too many regular expressions") }
      texts.append(text)
    }
    do throws(RegularExpressionError) { return try LineFilter(operation, texts) } catch {
      throw .invalid("a regular expression that cannot be read")
    }
  }

  private static func encode(_ filter: FieldFilter, to writer: inout ByteWriter) {
    switch filter {
    case .matches(let matcher):
      writer.append(UInt8(1))
      SelectionMessage.encode([matcher], to: &writer)
    case .compares(let field, let comparison, let number):
      writer.append(UInt8(2))
      writer.appendPrefixed(field)
      writer.append(Self.number(of: comparison, among: comparisons))
      writer.append(number.bitPattern)
    case .and(let left, let right), .or(let left, let right):
      if case .and = filter { writer.append(UInt8(3)) } else { writer.append(UInt8(4)) }
      encode(left, to: &writer)
      encode(right, to: &writer)
    }
  }

  private static func fieldFilter(
    _ reader: inout ByteReader, _ patterns: inout SelectionMessage.PatternRoom, _ room: inout Int, depth: Int
  ) throws(MalformedBytes) -> FieldFilter {
    room -= 1
    guard depth < depthMax, room >= 0 else { throw .invalid("conditions are too many or too deep") }
    let kind = try reader.read(UInt8.self)
    switch kind {
    case 1:
      let matchers = try SelectionMessage.matchers(&reader, &patterns)
      guard matchers.count == 1 else { throw .invalid("a condition of more than one") }
      return .matches(matchers[0])
    case 2:
      let field = try reader.readPrefixedString()
      let comparison = try element(try reader.read(UInt8.self), of: comparisons)
      return .compares(field: field, comparison, Double(bitPattern: try reader.read(UInt64.self)))
    case 3, 4:
      let left = try fieldFilter(&reader, &patterns, &room, depth: depth + 1)
      let right = try fieldFilter(&reader, &patterns, &room, depth: depth + 1)
      return kind == 3 ? .and(left, right) : .or(left, right)
    default: throw .invalid("an unknown condition")
    }
  }

  private static func count(_ reader: inout ByteReader) throws(MalformedBytes) -> Int {
    let count = try reader.readCount()
    guard count <= filtersMax else { throw .invalid("too many conditions") }
    return count
  }

  // MARK: - Ranges and scopes

  static func encode(_ range: EventTimeRange, to writer: inout ByteWriter) {
    writer.append(range.startNanoseconds)
    writer.append(range.endNanoseconds)
  }

  static func range(_ reader: inout ByteReader) throws(MalformedBytes) -> EventTimeRange {
    let start = try reader.read(Int64.self)
    guard let range = EventTimeRange(startNanoseconds: start, endNanoseconds: try reader.read(Int64.self)) else {
      throw .invalid("a range ends before it begins")
    }
    return range
  }

  /// A question for a list of fields or streams.
  static func encode(
    _ signal: EventSignal, _ scope: EventScope, limit: Int, field: String = ""
  ) throws(QueryError) -> [UInt8] {
    try SelectionMessage.checkBounds([scope.matchers])
    var writer = ByteWriter()
    writer.append(version)
    writer.append(signal == .logs ? UInt8(0) : 1)
    SelectionMessage.encode(scope.tenant, to: &writer)
    SelectionMessage.encode(scope.matchers, to: &writer)
    encode(scope.range, to: &writer)
    writer.appendVarint(UInt64(clamping: limit))
    writer.appendPrefixed(field)
    return writer.bytes
  }

  static func decodeScope(
    _ bytes: [UInt8]
  ) throws(MalformedBytes) -> (signal: EventSignal, scope: EventScope, limit: Int, field: String) {
    try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("a question of an unknown version") }
      let signal: EventSignal = try reader.read(UInt8.self) == 0 ? .logs : .spans
      let tenant = try SelectionMessage.tenant(&reader)
      var patterns = SelectionMessage.PatternRoom()
      let matchers = try SelectionMessage.matchers(&reader, &patterns)
      let scope = EventScope(tenant: tenant, matchers: matchers, range: try range(&reader))
      let limit = Int(clamping: try reader.readVarint())
      return (signal, scope, limit, try reader.readPrefixedString())
    }
  }
}
