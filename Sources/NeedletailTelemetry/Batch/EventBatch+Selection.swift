extension EventBatch {
  /// The slot of each row.
  package func slots(_ map: SlotMap) -> [UInt16] {
    let (tenant, seed) = (tenant, tenant.hashSeed)
    return withRows { rows in
      let streams = isSpans ? [] : rows.encodedStreams.map { EventStream.identity(ofEncoded: $0, tenant: tenant) }
      var slots: [UInt16] = []
      slots.reserveCapacity(rows.rowCount)
      for row in 0..<rows.rowCount {
        slots.append(
          map.slot(
            isSpan: isSpans, trace: rows.traceID(row), stream: streams[rows.streamIndex(row)], tenantSeed: seed))
      }
      return slots
    }
  }

  /// A batch of these rows, which ascend and are below `rowCount`, with the streams that they name, under the same id.
  ///
  /// Nil for no rows. O(rows of both).
  package func selecting(_ selected: ArraySlice<UInt32>) -> EventBatch? {
    guard !selected.isEmpty else { return nil }
    let built = frame.bytes.withUnsafeBytes { bytes in
      var builder = FrameBuilder()
      gatherStreams(selected, bytes, into: &builder)
      for kind in [ColumnKind.times, ColumnKind.secondTimes, ColumnKind.spanIDs, ColumnKind.parentSpanIDs] {
        builder.add(kind, column: frame.column(kind, in: bytes).gathered(UInt64.self, selected))
      }
      for kind in [ColumnKind.contentIDs, ColumnKind.traceIDs] {
        builder.add(kind, column: frame.column(kind, in: bytes).gathered(UInt64.self, selected, wordsOfRow: 2))
      }
      for kind in [ColumnKind.kinds, ColumnKind.statuses] {
        builder.add(kind, frame.column(kind, in: bytes).gathered(UInt8.self, selected))
      }
      builder.add(
        ColumnKind.flags, column: frame.column(ColumnKind.flags, in: bytes).gathered(UInt32.self, selected))
      for kind in [
        ColumnKind.nameEnds, ColumnKind.textEnds, ColumnKind.bodyEnds, ColumnKind.attributeEnds, ColumnKind.nestedEnds,
        ColumnKind.stateEnds,
      ] {
        gatherTexts(kind, selected, bytes, into: &builder)
      }
      return builder.build(kind: frame.kind, tenant: tenant, rowCount: selected.count, batchID: frame.batchID)
    }
    return built.flatMap { try? EventBatch(validating: $0) }
  }

  /// The rows whose time lies within `times`, in ns since 1970. O(rows).
  package func rows(within times: ClosedRange<Int64>) -> [UInt32] {
    withRows { rows in
      (0..<rows.rowCount).filter { times.contains(rows.time($0)) }.map { UInt32(truncatingIfNeeded: $0) }
    }
  }

  /// Only the streams that the rows name, in the order in which they do: who gets no row of a stream is told nothing of it.
  private func gatherStreams(
    _ selected: ArraySlice<UInt32>, _ bytes: UnsafeRawBufferPointer, into builder: inout FrameBuilder
  ) {
    let rows = EventRows(frame, bytes)
    let encoded = rows.encodedStreams
    var place = [UInt32](repeating: .max, count: encoded.count)
    var count: UInt32 = 0
    var streams = ByteWriter()
    var indices: [UInt32] = []
    indices.reserveCapacity(selected.count)
    for row in selected {
      let stream = rows.streamIndex(Int(row))
      if place[stream] == .max {
        place[stream] = count
        count += 1
        streams.appendPrefixed(encoded[stream])
      }
      indices.append(place[stream].littleEndian)
    }
    builder.add(ColumnKind.streams, streams.bytes)
    builder.add(ColumnKind.streamIndices, column: indices)
  }

  private func gatherTexts(
    _ kind: UInt8, _ selected: ArraySlice<UInt32>, _ bytes: UnsafeRawBufferPointer,
    into builder: inout FrameBuilder
  ) {
    let column = frame.column(kind, in: bytes)
    let texts = frame.column(kind + 1, in: bytes)
    guard !column.isEmpty else { return }
    func end(_ row: Int) -> Int {
      Int(UInt32(littleEndian: column.loadUnaligned(fromByteOffset: row * 4, as: UInt32.self)))
    }
    var ends: [UInt32] = []
    ends.reserveCapacity(selected.count)
    var gathered = ByteWriter()
    for row in selected {
      gathered.append(UnsafeRawBufferPointer(rebasing: texts[(row == 0 ? 0 : end(Int(row) - 1))..<end(Int(row))]))
      ends.append(UInt32(truncatingIfNeeded: gathered.count).littleEndian)
    }
    guard gathered.count > 0 else { return }
    builder.add(kind, column: ends)
    builder.add(kind + 1, gathered.bytes)
  }
}
