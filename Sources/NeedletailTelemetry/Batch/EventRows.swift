/// The columns of an event batch, borrowed for the time of a call.
///
/// Row numbers are the caller's to keep below `rowCount`. For logs: second time = observed time, kind = severity number,
/// name = event name, text = severity text. For spans: time = start, second time = end, text = status message, state =
/// trace state, nested = events and links, and there is no body.
package struct EventRows {
  /// A column of texts: where each ends, and their bytes.
  private struct Texts {
    let ends: UnsafeRawBufferPointer
    let bytes: UnsafeRawBufferPointer
  }

  package let rowCount: Int
  package let isSpans: Bool

  private let streamIndices: UnsafeRawBufferPointer
  private let times: UnsafeRawBufferPointer
  private let secondTimes: UnsafeRawBufferPointer
  private let contentIDs: UnsafeRawBufferPointer
  private let traceIDs: UnsafeRawBufferPointer
  private let spanIDs: UnsafeRawBufferPointer
  private let parentSpanIDs: UnsafeRawBufferPointer
  private let kinds: UnsafeRawBufferPointer
  private let statuses: UnsafeRawBufferPointer
  private let flagWords: UnsafeRawBufferPointer
  private let streams: UnsafeRawBufferPointer
  private let names: Texts
  private let texts: Texts
  private let bodies: Texts
  private let attributeTexts: Texts
  private let nested: Texts
  private let states: Texts

  init(_ frame: Frame, _ bytes: UnsafeRawBufferPointer) {
    typealias Kind = EventBatch.ColumnKind
    // Finding a column is a search: each is looked up once here, not for every field of every row.
    func texts(_ endsKind: UInt8) -> Texts {
      Texts(ends: frame.column(endsKind, in: bytes), bytes: frame.column(endsKind + 1, in: bytes))
    }
    rowCount = frame.rowCount
    isSpans = frame.kind == .spans
    streamIndices = frame.column(Kind.streamIndices, in: bytes)
    times = frame.column(Kind.times, in: bytes)
    secondTimes = frame.column(Kind.secondTimes, in: bytes)
    contentIDs = frame.column(Kind.contentIDs, in: bytes)
    traceIDs = frame.column(Kind.traceIDs, in: bytes)
    spanIDs = frame.column(Kind.spanIDs, in: bytes)
    parentSpanIDs = frame.column(Kind.parentSpanIDs, in: bytes)
    kinds = frame.column(Kind.kinds, in: bytes)
    statuses = frame.column(Kind.statuses, in: bytes)
    flagWords = frame.column(Kind.flags, in: bytes)
    streams = frame.column(Kind.streams, in: bytes)
    names = texts(Kind.nameEnds)
    self.texts = texts(Kind.textEnds)
    bodies = texts(Kind.bodyEnds)
    attributeTexts = texts(Kind.attributeEnds)
    nested = texts(Kind.nestedEnds)
    states = texts(Kind.stateEnds)
  }

  private func number<T: FixedWidthInteger>(_ column: UnsafeRawBufferPointer, _ row: Int, as type: T.Type) -> T {
    T(littleEndian: column.loadUnaligned(fromByteOffset: row * MemoryLayout<T>.size, as: T.self))
  }

  private func slice(_ column: Texts, _ row: Int) -> UnsafeRawBufferPointer {
    guard !column.ends.isEmpty else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    let start = row == 0 ? 0 : Int(number(column.ends, row - 1, as: UInt32.self))
    let end = Int(number(column.ends, row, as: UInt32.self))
    return UnsafeRawBufferPointer(rebasing: column.bytes[start..<end])
  }

  /// The byte forms of the batch's streams (`EventStream.encode`), by index.
  package var encodedStreams: [UnsafeRawBufferPointer] {
    var reader = ByteReader(streams)
    var encoded: [UnsafeRawBufferPointer] = []
    while let stream = try? reader.readPrefixed() { encoded.append(stream) }
    return encoded
  }

  package func streamIndex(_ row: Int) -> Int { Int(number(streamIndices, row, as: UInt32.self)) }

  /// Nanoseconds since 1970.
  package func time(_ row: Int) -> Int64 { number(times, row, as: Int64.self) }

  package func secondTime(_ row: Int) -> Int64 { number(secondTimes, row, as: Int64.self) }

  /// The identity of the record: a hash of its stream and all that it holds.
  package func contentID(_ row: Int) -> Hash128 {
    Hash128(high: number(contentIDs, row * 2 + 1, as: UInt64.self), low: number(contentIDs, row * 2, as: UInt64.self))
  }

  package func traceID(_ row: Int) -> TraceID {
    TraceID(high: number(traceIDs, row * 2, as: UInt64.self), low: number(traceIDs, row * 2 + 1, as: UInt64.self))
  }

  package func spanID(_ row: Int) -> SpanID { SpanID(number(spanIDs, row, as: UInt64.self)) }

  package func parentSpanID(_ row: Int) -> SpanID {
    SpanID(number(parentSpanIDs, row, as: UInt64.self))
  }

  /// A log's severity number, a span's kind.
  package func kind(_ row: Int) -> UInt8 { kinds[row] }

  package func status(_ row: Int) -> UInt8 { statuses[row] }

  package func flags(_ row: Int) -> UInt32 {
    number(flagWords, row, as: UInt32.self)
  }

  package func nameBytes(_ row: Int) -> UnsafeRawBufferPointer { slice(names, row) }
  package func textBytes(_ row: Int) -> UnsafeRawBufferPointer { slice(texts, row) }
  /// The body as `AttributeValue` encodes it; no bytes mean an empty body.
  package func bodyBytes(_ row: Int) -> UnsafeRawBufferPointer { slice(bodies, row) }
  /// The attributes as `Attribute.encode` writes them; no bytes mean none.
  package func attributeBytes(_ row: Int) -> UnsafeRawBufferPointer { slice(attributeTexts, row) }
  package func nestedBytes(_ row: Int) -> UnsafeRawBufferPointer { slice(nested, row) }
  package func stateBytes(_ row: Int) -> UnsafeRawBufferPointer { slice(states, row) }

  private func attributes(_ row: Int) throws(MalformedBytes) -> [Attribute] {
    let bytes = attributeBytes(row)
    guard !bytes.isEmpty else { return [] }
    var reader = ByteReader(bytes)
    return try Attribute.decode(&reader)
  }

  /// The whole record of a row of a batch of logs.
  package func log(_ row: Int) throws(MalformedBytes) -> LogRecord {
    let body = bodyBytes(row)
    var reader = ByteReader(body)
    return LogRecord(
      timeNanoseconds: time(row), observedTimeNanoseconds: secondTime(row), severityNumber: kind(row),
      severityText: String(decoding: textBytes(row), as: UTF8.self),
      body: body.isEmpty ? .empty : try AttributeValue(decoding: &reader), attributes: try attributes(row),
      traceID: traceID(row), spanID: spanID(row), flags: flags(row),
      eventName: String(decoding: nameBytes(row), as: UTF8.self))
  }

  /// The whole record of a row of a batch of spans.
  package func span(_ row: Int) throws(MalformedBytes) -> SpanRecord {
    let (events, links) = try SpanRecord.decodeNested(nestedBytes(row))
    return SpanRecord(
      traceID: traceID(row), spanID: spanID(row), parentSpanID: parentSpanID(row),
      name: String(decoding: nameBytes(row), as: UTF8.self),
      kind: SpanRecord.Kind(rawValue: kind(row)) ?? .unspecified,
      startNanoseconds: time(row), endNanoseconds: secondTime(row),
      status: SpanRecord.Status(rawValue: status(row)) ?? .unset,
      statusMessage: String(decoding: textBytes(row), as: UTF8.self),
      traceState: String(decoding: stateBytes(row), as: UTF8.self), flags: flags(row),
      attributes: try attributes(row), events: events, links: links)
  }
}
