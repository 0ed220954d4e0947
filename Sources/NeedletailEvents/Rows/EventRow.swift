import NeedletailTelemetry

/// One log record or span where it lies: in a batch of the head or in the columns of a part.
///
/// All that filters and sorts rows works on this borrowed form; a record is made only of rows that are returned.
struct EventRow {
  /// Nanoseconds since 1970.
  var time: Int64
  /// A log's observed time, a span's end.
  var secondTime: Int64
  var key: EventKey
  var traceID: TraceID
  var spanID: SpanID
  var parentSpanID: SpanID
  var kind: UInt8
  var status: UInt8
  var flags: UInt32
  var name: UnsafeRawBufferPointer
  var text: UnsafeRawBufferPointer
  var body: UnsafeRawBufferPointer
  var attributes: UnsafeRawBufferPointer
  var nested: UnsafeRawBufferPointer
  var state: UnsafeRawBufferPointer
}

/// Where a row stands in time, and which of the rows of that instant it is.
///
/// Equal keys mean the same record, so that sorting by key brings the copies of a record together wherever they come
/// from.
struct EventKey: Hashable, Comparable {
  var time: Int64
  /// The lower half of the record's content identity: among the records of one nanosecond 64 bits are plenty.
  var content: UInt64

  static func < (left: EventKey, right: EventKey) -> Bool {
    left.time != right.time ? left.time < right.time : left.content < right.content
  }
}

extension EventRow {
  init(_ rows: EventRows, _ row: Int) {
    self.init(
      time: rows.time(row), secondTime: rows.secondTime(row),
      key: EventKey(time: rows.time(row), content: rows.contentID(row).low), traceID: rows.traceID(row),
      spanID: rows.spanID(row), parentSpanID: rows.parentSpanID(row), kind: rows.kind(row), status: rows.status(row),
      flags: rows.flags(row), name: rows.nameBytes(row), text: rows.textBytes(row), body: rows.bodyBytes(row),
      attributes: rows.attributeBytes(row), nested: rows.nestedBytes(row), state: rows.stateBytes(row))
  }

  /// Nanoseconds from a span's start to its end; 0 where the end is before the start.
  var duration: Int64 {
    let (duration, overflow) = secondTime.subtractingReportingOverflow(time)
    return overflow ? (secondTime > time ? .max : 0) : max(0, duration)
  }

  /// About what a record of the row takes, in bytes: its variable fields as they are stored, and its fixed ones.
  var byteCount: Int {
    256 + name.count + text.count + body.count + attributes.count + nested.count + state.count
  }

  func decodeAttributes() throws(MalformedBytes) -> [Attribute] {
    guard !attributes.isEmpty else { return [] }
    var reader = ByteReader(attributes)
    return try Attribute.decode(&reader)
  }

  func log() throws(MalformedBytes) -> LogRecord {
    var reader = ByteReader(body)
    return LogRecord(
      timeNanoseconds: time, observedTimeNanoseconds: secondTime, severityNumber: kind,
      severityText: String(decoding: text, as: UTF8.self),
      body: body.isEmpty ? .empty : try AttributeValue(decoding: &reader), attributes: try decodeAttributes(),
      traceID: traceID, spanID: spanID, flags: flags, eventName: String(decoding: name, as: UTF8.self))
  }

  func span() throws(MalformedBytes) -> SpanRecord {
    let (events, links) = try SpanRecord.decodeNested(nested)
    return SpanRecord(
      traceID: traceID, spanID: spanID, parentSpanID: parentSpanID, name: String(decoding: name, as: UTF8.self),
      kind: SpanRecord.Kind(rawValue: kind) ?? .unspecified, startNanoseconds: time, endNanoseconds: secondTime,
      status: SpanRecord.Status(rawValue: status) ?? .unset, statusMessage: String(decoding: text, as: UTF8.self),
      traceState: String(decoding: state, as: UTF8.self), flags: flags, attributes: try decodeAttributes(),
      events: events, links: links)
  }
}
