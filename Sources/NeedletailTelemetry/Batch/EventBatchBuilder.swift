/// Gathers log records or spans into the columns of an `EventBatch`. Empty and usable again after `build`.
///
/// A decoder sets the fixed fields of `row` and writes the variable ones straight into the column writers, then calls `endRow`; `append`
/// does the same from a record.
package struct EventBatchBuilder: Sendable {
  /// The fixed fields of the row being built; `endRow` resets them.
  package struct Row: Sendable {
    package var stream: UInt32 = 0
    /// Nanoseconds since 1970.
    package var time: Int64 = 0
    package var secondTime: Int64 = 0
    package var traceID = TraceID.none
    package var spanID = SpanID.none
    package var parentSpanID = SpanID.none
    package var kind: UInt8 = 0
    package var status: UInt8 = 0
    package var flags: UInt32 = 0
  }

  package let kind: Frame.Kind
  private let tenant: TenantID
  package var row = Row()
  /// Write the row's variable fields here, in the byte forms that `EventRows` documents.
  package var name = ByteWriter()
  package var text = ByteWriter()
  package var body = ByteWriter()
  package var attributes = ByteWriter()
  package var nested = ByteWriter()
  package var state = ByteWriter()

  private var streams = ByteWriter()
  private var streamIdentities: [Hash128] = []
  private var streamsByIdentity: [Hash128: UInt32] = [:]
  private var streamIndices: [UInt32] = []
  private var times: [Int64] = []
  private var secondTimes: [Int64] = []
  private var contentIDs = ByteWriter()
  private var traceIDs: [UInt64] = []
  private var spanIDs: [UInt64] = []
  private var parentSpanIDs: [UInt64] = []
  private var kinds: [UInt8] = []
  private var statuses: [UInt8] = []
  private var flags: [UInt32] = []
  /// Where each variable column stands after each row: `variableColumns` numbers a row.
  private var ends: [UInt32] = []
  /// What `contentIdentity` hashes; kept for its memory.
  private var identityParts = ByteWriter(reserving: 192)

  private static let variableColumns = 6

  /// A builder of logs (`.logs`) or spans (`.spans`).
  package init(kind: Frame.Kind, tenant: TenantID) {
    self.kind = kind
    self.tenant = tenant
  }

  package var rowCount: Int { times.count }
  /// About the size of the frame to be, in bytes; a receiver splits a batch before `Frame.bytesMax`.
  package var byteCountEstimate: Int {
    rowCount * 104 + streams.count + name.count + text.count + body.count + attributes.count + nested.count
      + state.count + 512
  }

  /// The index of a stream, given as `EventStream.encode` writes it; the same bytes get the same index.
  package mutating func stream(encoded: UnsafeRawBufferPointer) -> UInt32 {
    let identity = EventStream.identity(ofEncoded: encoded, tenant: tenant)
    if let index = streamsByIdentity[identity] { return index }
    let index = UInt32(truncatingIfNeeded: streamIdentities.count)
    streams.appendPrefixed(encoded)
    streamIdentities.append(identity)
    streamsByIdentity[identity] = index
    return index
  }

  package mutating func stream(_ stream: EventStream) -> UInt32 {
    var writer = ByteWriter()
    stream.encode(to: &writer)
    return writer.bytes.withUnsafeBytes { self.stream(encoded: $0) }
  }

  /// Completes the row: takes the fields of `row` and what was written to the column writers since the last row, and names it by
  /// the hash of all that.
  package mutating func endRow() {
    let identity = contentIdentity()
    streamIndices.append(row.stream.littleEndian)
    times.append(row.time.littleEndian)
    secondTimes.append(row.secondTime.littleEndian)
    contentIDs.append(identity)
    traceIDs.append(row.traceID.high.littleEndian)
    traceIDs.append(row.traceID.low.littleEndian)
    spanIDs.append(row.spanID.value.littleEndian)
    parentSpanIDs.append(row.parentSpanID.value.littleEndian)
    kinds.append(row.kind)
    statuses.append(row.status)
    flags.append(row.flags.littleEndian)
    ends.append(UInt32(truncatingIfNeeded: name.count))
    ends.append(UInt32(truncatingIfNeeded: text.count))
    ends.append(UInt32(truncatingIfNeeded: body.count))
    ends.append(UInt32(truncatingIfNeeded: attributes.count))
    ends.append(UInt32(truncatingIfNeeded: nested.count))
    ends.append(UInt32(truncatingIfNeeded: state.count))
    row = Row()
  }

  /// Drops what was written for a row that turns out to be refused.
  package mutating func discardRow() {
    row = Row()
    name.truncate(to: rowStart(0))
    text.truncate(to: rowStart(1))
    body.truncate(to: rowStart(2))
    attributes.truncate(to: rowStart(3))
    nested.truncate(to: rowStart(4))
    state.truncate(to: rowStart(5))
  }

  /// Where the row being built begins in a variable column.
  private func rowStart(_ column: Int) -> Int {
    ends.isEmpty ? 0 : Int(ends[ends.count - Self.variableColumns + column])
  }

  /// Chains the hashes of the fixed fields, the stream and every variable field of the row, without an allocation.
  private mutating func contentIdentity() -> Hash128 {
    identityParts.removeAll()
    identityParts.append(streamIdentities.isEmpty ? Hash128(high: 0, low: 0) : streamIdentities[Int(row.stream)])
    identityParts.append(row.time)
    identityParts.append(row.secondTime)
    identityParts.append(row.traceID.high)
    identityParts.append(row.traceID.low)
    identityParts.append(row.spanID.value)
    identityParts.append(row.parentSpanID.value)
    identityParts.append(row.kind)
    identityParts.append(row.status)
    identityParts.append(row.flags)
    identityParts.append(hash(of: name, 0))
    identityParts.append(hash(of: text, 1))
    identityParts.append(hash(of: body, 2))
    identityParts.append(hash(of: attributes, 3))
    identityParts.append(hash(of: nested, 4))
    identityParts.append(hash(of: state, 5))
    return identityParts.bytes.withUnsafeBytes { Hash128.of($0) }
  }

  private func hash(of column: ByteWriter, _ index: Int) -> Hash128 {
    column.bytes.withUnsafeBytes { Hash128.of(UnsafeRawBufferPointer(rebasing: $0[rowStart(index)...])) }
  }

  /// The batch; the builder is empty afterwards. Nil where it holds nothing, or the frame would exceed `Frame.bytesMax`.
  package mutating func build(batchID: Hash128) -> EventBatch? {
    defer { removeAll() }
    guard rowCount > 0 else { return nil }
    typealias Column = EventBatch.ColumnKind
    var frame = FrameBuilder()
    frame.add(Column.streams, streams.bytes)
    frame.add(Column.streamIndices, column: streamIndices)
    frame.add(Column.times, column: times)
    frame.add(Column.secondTimes, column: secondTimes)
    frame.add(Column.contentIDs, contentIDs.bytes)
    frame.add(Column.traceIDs, column: traceIDs)
    frame.add(Column.spanIDs, column: spanIDs)
    frame.add(Column.parentSpanIDs, column: parentSpanIDs)
    frame.add(Column.kinds, kinds)
    frame.add(Column.statuses, statuses)
    frame.add(Column.flags, column: flags)
    let variable: [(UInt8, [UInt8])] = [
      (Column.nameEnds, name.bytes), (Column.textEnds, text.bytes), (Column.bodyEnds, body.bytes),
      (Column.attributeEnds, attributes.bytes), (Column.nestedEnds, nested.bytes), (Column.stateEnds, state.bytes),
    ]
    for (index, (kind, bytes)) in variable.enumerated() where !bytes.isEmpty {
      frame.add(
        kind, column: stride(from: index, to: ends.count, by: Self.variableColumns).map { ends[$0].littleEndian })
      frame.add(kind + 1, bytes)
    }
    return frame.build(kind: kind, tenant: tenant, rowCount: rowCount, batchID: batchID)
      .flatMap { try? EventBatch(validating: $0) }
  }

  package mutating func removeAll() { self = EventBatchBuilder(kind: kind, tenant: tenant) }
}

extension EventBatchBuilder {
  /// Adds a whole log record of the stream at `stream`.
  package mutating func append(_ record: LogRecord, stream: UInt32) {
    row.stream = stream
    write(record)
    endRow()
  }

  /// What a record comes to without its stream: the same for records of the same bytes, and for no others.
  ///
  /// For a builder that has no stream. Adds nothing.
  package mutating func identity(of record: LogRecord) -> Hash128 {
    write(record)
    defer { discardRow() }
    return contentIdentity()
  }

  private mutating func write(_ record: LogRecord) {
    row.time = record.timeNanoseconds
    row.secondTime = record.observedTimeNanoseconds
    row.traceID = record.traceID
    row.spanID = record.spanID
    row.kind = record.severityNumber
    row.flags = record.flags
    name.append(record.eventName.utf8)
    text.append(record.severityText.utf8)
    if record.body != .empty { record.body.encode(to: &body) }
    if !record.attributes.isEmpty { Attribute.encode(record.attributes, to: &attributes) }
  }

  /// Adds a whole span of the stream at `stream`.
  package mutating func append(_ span: SpanRecord, stream: UInt32) {
    row.stream = stream
    write(span)
    endRow()
  }

  /// What a span comes to without its stream, as that of a log record.
  package mutating func identity(of span: SpanRecord) -> Hash128 {
    write(span)
    defer { discardRow() }
    return contentIdentity()
  }

  private mutating func write(_ span: SpanRecord) {
    row.time = span.startNanoseconds
    row.secondTime = span.endNanoseconds
    row.traceID = span.traceID
    row.spanID = span.spanID
    row.parentSpanID = span.parentSpanID
    row.kind = span.kind.rawValue
    row.status = span.status.rawValue
    row.flags = span.flags
    name.append(span.name.utf8)
    text.append(span.statusMessage.utf8)
    state.append(span.traceState.utf8)
    if !span.attributes.isEmpty { Attribute.encode(span.attributes, to: &attributes) }
    if !span.events.isEmpty || !span.links.isEmpty {
      SpanRecord.encodeNested(events: span.events, links: span.links, to: &nested)
    }
  }
}
