import NeedletailTelemetry

/// What one call of `SeriesEngine.delete` names: the samples, histograms and exemplars of some series within a range.
///
/// Its bytes are what the catalog keeps of it, once for each part that it applies to.
struct SeriesDeletion: Hashable, Sendable {
  private static let version: UInt8 = 1

  let tenant: TenantID
  let matchers: [LabelMatcher]
  /// In ms, both ends included.
  let range: TimeRange

  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.append(Self.version)
    writer.appendPrefixed(tenant.description)
    writer.append(range.startMilliseconds)
    writer.append(range.endMilliseconds)
    writer.appendVarint(UInt64(matchers.count))
    for matcher in matchers {
      writer.appendPrefixed(matcher.name)
      writer.appendPrefixed(matcher.operation.rawValue)
      writer.appendPrefixed(matcher.value)
    }
    return writer.bytes
  }

  init(tenant: TenantID, matchers: [LabelMatcher], range: TimeRange) {
    self.tenant = tenant
    self.matchers = matchers
    self.range = range
  }

  init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    var result: Result<SeriesDeletion, MalformedBytes> = .failure(.truncated)
    bytes.withUnsafeBytes { bytes in
      result = Result { () throws(MalformedBytes) in
        var reader = ByteReader(bytes)
        return try SeriesDeletion(&reader)
      }
    }
    self = try result.get()
  }

  private init(_ reader: inout ByteReader) throws(MalformedBytes) {
    guard try reader.read(UInt8.self) == Self.version else { throw .invalid("a deletion of another version") }
    guard let tenant = TenantID(try reader.readPrefixedString()) else { throw .invalid("no valid tenant") }
    let (start, end) = (try reader.read(Int64.self), try reader.read(Int64.self))
    guard let range = TimeRange(startMilliseconds: start, endMilliseconds: end) else {
      throw .invalid("a range is the wrong way round")
    }
    var matchers: [LabelMatcher] = []
    for _ in 0..<(try reader.readCount(elementBytes: 3)) {
      let name = try reader.readPrefixedString()
      guard let operation = LabelMatcher.Operation(rawValue: try reader.readPrefixedString()) else {
        throw .invalid("no operation of a matcher")
      }
      let value = try reader.readPrefixedString()
      guard let matcher = try? LabelMatcher(name, operation, value) else {
        throw .invalid("an expression does not compile")
      }
      matchers.append(matcher)
    }
    try reader.expectEnd()
    self.init(tenant: tenant, matchers: matchers, range: range)
  }
}
