import NeedletailBlocks
import NeedletailTelemetry

/// Puts records into the frames of an export, one batch for each tenant in a row.
///
/// The order of a key's records is that of positions: by time, and at one time by content.
struct EventExport {
  private let isSpans: Bool
  private var batch: EventBatchBuilder
  private var payload: [UInt8] = []
  private var room: Int
  private var tenant = TenantID.default

  init(isSpans: Bool, bytesMax: Int) {
    self.isSpans = isSpans
    room = bytesMax
    batch = EventBatchBuilder(kind: isSpans ? .spans : .logs, tenant: .default)
  }

  /// Whether there is room for the row, which is then added; there always is for the first one.
  mutating func add(_ row: EventRow, _ stream: StreamEntry) throws(SlotContentsError) -> Bool {
    let isEmpty = payload.isEmpty && batch.rowCount == 0
    if stream.tenant != tenant {
      try endTenant()
      tenant = stream.tenant
      batch = EventBatchBuilder(kind: isSpans ? .spans : .logs, tenant: tenant)
    }
    let before = batch.byteCountEstimate
    let number = stream.encoded.withUnsafeBytes { batch.stream(encoded: $0) }
    let bytes = batch.byteCountEstimate - before + row.storedBytes
    guard isEmpty || bytes <= room else { return false }
    room -= bytes
    batch.append(row, stream: number)
    return true
  }

  private mutating func endTenant() throws(SlotContentsError) {
    guard batch.rowCount > 0 else { return }
    guard let built = batch.build(batchID: Hash128(high: UInt64(payload.count), low: UInt64(batch.rowCount))) else {
      throw .malformed("a record does not fit into a frame")
    }
    payload += built.frame.bytes
  }

  mutating func finish() throws(SlotContentsError) -> [UInt8] {
    try endTenant()
    return payload
  }
}

extension EventRow {
  /// What the row takes in a batch, in bytes, about.
  fileprivate var storedBytes: Int {
    104 + name.count + text.count + body.count + attributes.count + nested.count + state.count
  }
}

extension EventBatchBuilder {
  /// Adds a row of the stream with this index.
  mutating func append(_ event: EventRow, stream: UInt32) {
    row.stream = stream
    row.time = event.time
    row.secondTime = event.secondTime
    row.traceID = event.traceID
    row.spanID = event.spanID
    row.parentSpanID = event.parentSpanID
    row.kind = event.kind
    row.status = event.status
    row.flags = event.flags
    name.append(event.name)
    text.append(event.text)
    body.append(event.body)
    attributes.append(event.attributes)
    nested.append(event.nested)
    state.append(event.state)
    endRow()
  }
}

/// Rows of a snapshot as they are asked for; of each part one block is in memory.
private struct EventRowReader {
  let sources: [SlotSource]
  private var columns: [Int: (block: UInt32, columns: BlockColumns)] = [:]

  init(_ sources: [SlotSource]) { self.sources = sources }

  mutating func withRow<Result>(
    _ source: Int, _ place: EventPlace, _ body: (EventRow) -> Result
  ) throws(SlotContentsError) -> Result {
    switch sources[source] {
    case .batches(let batches): return batches[Int(place.unit)].withRow(place.row) { row, _ in body(row) }
    case .part(let part):
      if let kept = columns[source], kept.block == place.unit { return kept.columns.withRow(Int(place.row), body) }
      do throws(BlockError) {
        let read = try BlockColumns(part, part.directory.blocks[Int(place.unit)])
        try read.load(ColumnGroup.allCases)
        columns[source] = (place.unit, read)
        return read.withRow(Int(place.row), body)
      } catch { throw .damage("\(error)") }
    }
  }
}

extension EventEngine {
  package func export(
    of slot: UInt16, window: Int64, _ request: SlotExport.Request, bytesMax: Int
  ) throws(SlotContentsError) -> SlotExport {
    let snapshot = slotSnapshot
    let found = try references(of: slot, window, in: snapshot, where: request.isAskedFor)
    let groups = Dictionary(grouping: found, by: \.row.key)
    // What an earlier call began comes first.
    let first = request.keys.prefix(1)
    let order = first + Set(groups.keys).subtracting(first).sorted()
    var reader = EventRowReader(snapshot.sources)
    var export = EventExport(isSpans: isSpans, bytesMax: bytesMax)
    for (place, key) in order.enumerated() {
      let from = place == 0 ? request.position : nil
      var (time, passed) = (Int64.min, UInt32(0))
      for (source, row) in groups[key] ?? [] {
        passed = row.event.time == time ? passed + 1 : 0
        time = row.event.time
        if let from, time < from.time || (time == from.time && passed < from.passed) { continue }
        let added = try reader.withRow(source, row.place) { event in
          Result { () throws(SlotContentsError) in try export.add(event, row.stream) }
        }
        guard try added.get() else {
          let next = SlotExport.Position(section: 0, time: time, passed: passed)
          let rest = SlotExport.Request(keys: Array(order[place...]), position: next)
          return SlotExport(payload: try export.finish(), rest: rest)
        }
      }
    }
    return SlotExport(payload: try export.finish(), rest: nil)
  }

  package func store(_ payload: [UInt8], of slot: UInt16) async throws(SlotContentsError) {
    let batches = try repaired(payload, of: slot)
    guard let journal = state.withLock({ $0.journal }) else { throw .unavailable("the engine was not started") }
    do throws(EventEngineError) {
      for batch in batches {
        guard let position = try appendInMemory(batch, to: journal, isRepair: true).position else { continue }
        do throws(JournalError) { try await journal.awaitDurable(position) } catch {
          throw EventEngineError.journal(error)
        }
      }
    } catch { throw SlotContentsError(error) }
  }

  /// The batches of an export, made anew, so that no record has another identity than what it says gives it.
  private func repaired(_ payload: [UInt8], of slot: UInt16) throws(SlotContentsError) -> [EventBatch] {
    do {
      return try payload.withUnsafeBytes { try Frame.sequence($0) }.map { frame in
        let batch = try EventBatch(validating: frame)
        guard batch.isSpans == isSpans else { throw EventEngineError.wrongKind }
        var builder = EventBatchBuilder(kind: frame.kind, tenant: batch.tenant)
        try batch.withRows { rows in
          let streams = rows.encodedStreams
          for row in 0..<rows.rowCount {
            let encoded = streams[rows.streamIndex(row)]
            let key =
              isSpans
              ? rows.traceID(row).key(in: batch.tenant) : EventStream.identity(ofEncoded: encoded, tenant: batch.tenant)
            guard slots.slot(of: key) == slot else { throw MalformedBytes.invalid("records of another slot") }
            builder.append(EventRow(rows, row), stream: builder.stream(encoded: encoded))
          }
        }
        guard let made = builder.build(batchID: batch.frame.batchID) else {
          throw MalformedBytes.invalid("a batch of nothing, or of too much")
        }
        return made
      }
    } catch { throw .malformed("\(error)") }
  }
}

extension SlotContentsError {
  fileprivate init(_ error: EventEngineError) {
    switch error {
    case .malformed, .wrongKind: self = .malformed("\(error)")
    case .journal(.overloaded): self = .overloaded("\(error)")
    case .cancelled: self = .cancelled
    default: self = .unavailable("\(error)")
    }
  }
}
