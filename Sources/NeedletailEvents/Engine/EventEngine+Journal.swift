import NeedletailBlocks
import NeedletailTelemetry

extension EventEngine: JournalParticipant {
  /// Records that hold the bytes of a batch.
  var batchKind: LogRecordKind { .events(isSpans ? 1 : 0) }
  /// Records that hold the lowest and highest time that was accepted, eight bytes each, and then the bytes of a batch
  /// of which some rows lie outside.
  var boundedBatchKind: LogRecordKind { .events(isSpans ? 3 : 2) }

  package var recordKinds: [LogRecordKind] { [batchKind, boundedBatchKind] }

  static func encode(_ bounds: ClosedRange<Int64>, _ batch: EventBatch) -> [UInt8] {
    var writer = ByteWriter(reserving: 16 + batch.frame.bytes.count)
    writer.append(bounds.lowerBound)
    writer.append(bounds.upperBound)
    writer.append(batch.frame.bytes)
    return writer.bytes
  }

  package func replay(_ kind: LogRecordKind, _ payload: UnsafeRawBufferPointer) throws {
    var bounds = Int64.min...Int64.max
    var reader = ByteReader(payload)
    if kind == boundedBatchKind {
      let (low, high) = (try reader.read(Int64.self), try reader.read(Int64.self))
      guard low <= high else { throw MalformedBytes.invalid("impossible bounds") }
      bounds = low...high
    }
    let batch = try EventBatch(validating: try Frame(logged: try reader.read(count: reader.remaining)))
    guard batch.isSpans == isSpans else { throw EventEngineError.wrongKind }
    let prepared = try PreparedBatch(batch, bounds: bounds, streams: streams)
    guard !prepared.rows.isEmpty else { return }
    state.withLock { state in
      state.statistics.replayedRows += UInt64(apply(prepared, to: &state).accepted)
    }
  }

  package func freeze() {
    state.withLock { state in
      precondition(state.frozen == nil, "a frozen head is still there")
      state.frozen = state.head
      state.head = EventHead()
    }
  }

  package func writeFrozen(to parts: PartsFolder) throws -> [PartRecord] {
    guard let frozen = state.withLock({ $0.frozen }), !frozen.isEmpty else { return [] }
    return try frozen.write(isSpans: isSpans, slots: slots, to: parts)
  }

  package func publishFrozen(_ records: [PartRecord]) throws {
    var opened: [EventPart] = []
    for record in records { opened.append(try EventPart(try folder.open(record), table: streams)) }
    state.withLock { state in
      let known = Set(state.parts.map(\.record.id))
      state.parts += opened.filter { !known.contains($0.record.id) }
      if state.frozen?.isEmpty == false { state.statistics.flushes += 1 }
      state.frozen = nil
    }
  }
}
