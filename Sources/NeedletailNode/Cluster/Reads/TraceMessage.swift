import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// The byte forms of questions for traces, and of what a search found: docs/formats/peer.md.
enum TraceMessage {
  static let version: UInt8 = 1
  private static let tagsMax = 1024

  static func encode(_ id: TraceID, tenant: TenantID) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(version)
    SelectionMessage.encode(tenant, to: &writer)
    writer.append(id.high)
    writer.append(id.low)
    return writer.bytes
  }

  static func decodeID(_ bytes: [UInt8]) throws(MalformedBytes) -> (id: TraceID, tenant: TenantID) {
    try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("a question of an unknown version") }
      let tenant = try SelectionMessage.tenant(&reader)
      let high = try reader.read(UInt64.self)
      return (TraceID(high: high, low: try reader.read(UInt64.self)), tenant)
    }
  }

  static func encode(_ search: TraceSearch) throws(QueryError) -> [UInt8] {
    guard search.tags.count <= tagsMax else {
      throw QueryError(.execution, "a search for more than \(tagsMax) tags cannot be asked of other nodes")
    }
    var writer = ByteWriter()
    writer.append(version)
    SelectionMessage.encode(search.tenant, to: &writer)
    writer.appendVarint(UInt64(search.tags.count))
    for tag in search.tags {
      writer.appendPrefixed(tag.key)
      writer.appendPrefixed(tag.value)
    }
    writer.append(search.minDuration ?? .min)
    writer.append(search.maxDuration ?? .max)
    EventQuestionMessage.encode(search.range, to: &writer)
    writer.appendVarint(UInt64(clamping: search.limit))
    return writer.bytes
  }

  static func decodeSearch(_ bytes: [UInt8]) throws(MalformedBytes) -> TraceSearch {
    try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("a search of an unknown version") }
      let tenant = try SelectionMessage.tenant(&reader)
      var tags: [(key: String, value: String)] = []
      let count = try reader.readCount(elementBytes: 2)
      guard count <= tagsMax else { throw .invalid("too many tags") }
      for _ in 0..<count {
        let key = try reader.readPrefixedString()
        tags.append((key, try reader.readPrefixedString()))
      }
      let (least, most) = (try reader.read(Int64.self), try reader.read(Int64.self))
      let range = try EventQuestionMessage.range(&reader)
      return TraceSearch(
        tenant: tenant, tags: tags, minDuration: least == .min ? nil : least, maxDuration: most == .max ? nil : most,
        range: range, limit: Int(clamping: try reader.readVarint()))
    }
  }

  static func encode(_ traces: [TraceSummary]) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(version)
    writer.appendVarint(UInt64(traces.count))
    for trace in traces {
      writer.append(trace.traceID.high)
      writer.append(trace.traceID.low)
      writer.appendPrefixed(trace.rootService)
      writer.appendPrefixed(trace.rootName)
      writer.append(trace.startNanoseconds)
      writer.append(trace.durationNanoseconds)
      for count in [trace.spanCount, trace.matchedSpanCount, trace.errorCount] {
        writer.appendVarint(UInt64(clamping: count))
      }
      writer.append(trace.failure == nil ? UInt8(0) : 1)
      if let failure = trace.failure {
        writer.appendPrefixed(failure.service)
        writer.appendPrefixed(failure.name)
      }
    }
    return writer.bytes
  }

  /// Refuses more traces than were asked for.
  static func decodeFound(_ bytes: [UInt8], limit: Int) throws(MalformedBytes) -> [TraceSummary] {
    try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("traces of an unknown version") }
      let count = try reader.readCount(elementBytes: 38)
      guard count <= limit else { throw .invalid("more traces than were asked for") }
      var traces: [TraceSummary] = []
      for _ in 0..<count { traces.append(try summary(&reader)) }
      return traces
    }
  }

  private static func summary(_ reader: inout ByteReader) throws(MalformedBytes) -> TraceSummary {
    let high = try reader.read(UInt64.self)
    let id = TraceID(high: high, low: try reader.read(UInt64.self))
    let (service, name) = (try reader.readPrefixedString(), try reader.readPrefixedString())
    let (start, duration) = (try reader.read(Int64.self), try reader.read(Int64.self))
    let (spans, matched) = (try reader.readPeerCount(), try reader.readPeerCount())
    var trace = TraceSummary(
      traceID: id, rootService: service, rootName: name, startNanoseconds: start, durationNanoseconds: duration,
      spanCount: spans, matchedSpanCount: matched, errorCount: try reader.readPeerCount())
    if try reader.read(UInt8.self) != 0 {
      let service = try reader.readPrefixedString()
      trace.failure = TraceSummary.Failure(service: service, name: try reader.readPrefixedString())
    }
    return trace
  }
}
