import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// The messages of events on their way to another node: frames of batches, and at last the word that it was all.
enum EventHitsMessage {
  static let version: UInt8 = 1
  /// The largest message.
  static let bytesMax = Frame.bytesMax + 64
  /// About how many bytes of events go into one message.
  static let bytesWanted = 1 << 20

  private enum Kind: UInt8 {
    case batch = 1
    case end = 2
  }

  static let end: [UInt8] = [version, Kind.end.rawValue]

  /// A message of some events; throws `QueryError` where they are larger than a frame may be.
  static func encode<Record: SharedEvent>(_ hits: [EventHit<Record>], tenant: TenantID) throws(QueryError) -> [UInt8] {
    var builder = EventBatchBuilder(kind: Record.frameKind, tenant: tenant)
    var places: [Hash128: UInt32] = [:]
    for hit in hits {
      let place =
        places[hit.stream.identity] ?? hit.stream.encoded.withUnsafeBytes { builder.stream(encoded: $0) }
      places[hit.stream.identity] = place
      hit.record.append(to: &builder, stream: place)
    }
    guard let batch = builder.build(batchID: Hash128(high: 0, low: 0)) else {
      throw QueryError(.execution, "an event is too large for a message to another node")
    }
    return [version, Kind.batch.rawValue] + batch.frame.bytes
  }

  /// The events of a message; nil of the last one.
  static func decode<Record: SharedEvent>(
    _ bytes: [UInt8], of tenant: TenantID, as type: Record.Type
  ) throws(MalformedBytes) -> [EventHit<Record>]? {
    guard bytes.count >= 2, bytes[0] == version, let kind = Kind(rawValue: bytes[1]) else {
      throw .invalid("events of an unknown kind or version")
    }
    if kind == .end {
      guard bytes.count == 2 else { throw .invalid("something stands behind the end") }
      return nil
    }
    let frame = try SelectionMessage.reading(Array(bytes.dropFirst(2))) { reader throws(MalformedBytes) in
      try Frame(validating: try reader.read(count: reader.remaining))
    }
    let batch = try EventBatch(validating: frame)
    guard frame.kind == Record.frameKind, batch.tenant == tenant else {
      throw .invalid("events of another kind or tenant")
    }
    let result: Result<[EventHit<Record>], MalformedBytes> = batch.withRows { rows in
      do throws(MalformedBytes) { return .success(try hits(rows, tenant)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  private static func hits<Record: SharedEvent>(
    _ rows: EventRows, _ tenant: TenantID
  ) throws(MalformedBytes) -> [EventHit<Record>] {
    var streams: [StreamEntry] = []
    for bytes in rows.encodedStreams { streams.append(try StreamEntry(decoding: bytes, tenant: tenant)) }
    var hits: [EventHit<Record>] = []
    for row in 0..<rows.rowCount {
      let stream = rows.streamIndex(row)
      guard stream < streams.count else { throw .invalid("an event of no stream") }
      let size =
        64 + rows.bodyBytes(row).count + rows.attributeBytes(row).count + rows.nestedBytes(row).count
        + rows.nameBytes(row).count + rows.textBytes(row).count
      hits.append(EventHit(stream: streams[stream], record: try Record.read(rows, row), byteCount: size))
    }
    return hits
  }
}

/// Makes the messages of some events as they are wanted.
///
/// `@unchecked Sendable`: as `SelectionAnswer`, one task at a time uses it.
final class EventHitsAnswer<Record: SharedEvent>: PeerMessages, @unchecked Sendable {
  private let hits: any EventHits<Record>
  private let tenant: TenantID
  private var left: Int
  private var isAtEnd = false

  init(_ hits: any EventHits<Record>, tenant: TenantID, limit: Int) {
    (self.hits, self.tenant, left) = (hits, tenant, limit)
  }

  func next() async throws -> [UInt8]? {
    guard !isAtEnd else { return nil }
    let page = left > 0 ? try await hits.next().prefix(left) : []
    left -= page.count
    guard !page.isEmpty else {
      isAtEnd = true
      return EventHitsMessage.end
    }
    return try EventHitsMessage.encode(Array(page), tenant: tenant)
  }
}
