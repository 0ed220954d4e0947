import NeedletailBlocks
import NeedletailTelemetry

extension EventHead {
  /// Writes all rows as parts, one for each UTC day that they fall on.
  func write(isSpans: Bool, slots: SlotMap, to parts: PartsFolder) throws(EventEngineError) -> [PartRecord] {
    let (streams, numbers) = sortedStreams()
    var days: [Int64: [EventPartWriter.Reference]] = [:]
    let batches = batches.all
    for (index, batch) in batches.enumerated() {
      batch.forEachRow { row, event, stream in
        let reference = EventPartWriter.Reference(
          stream: numbers[stream.identity] ?? 0, key: event.key, source: UInt32(truncatingIfNeeded: index), row: row)
        days[PartFormat.day(event.time), default: []].append(reference)
      }
    }
    var records: [PartRecord] = []
    for (_, references) in days.sorted(by: { $0.key < $1.key }) {
      records.append(
        try EventPartWriter.write(
          references, of: HeadSource(batches: batches), streams: streams, isSpans: isSpans, slots: slots, level: 0,
          to: parts))
    }
    return records
  }

  private func sortedStreams() -> (streams: [StreamEntry], numbers: [Hash128: UInt32]) {
    var distinct: [Hash128: StreamEntry] = [:]
    for batch in batches.all { for stream in batch.streams { distinct[stream.identity] = stream } }
    return StreamEntry.sorted(distinct)
  }
}

/// Rows of the batches of a head.
private struct HeadSource: EventPartWriter.Source {
  let batches: [HeadBatch]

  func withRow(_ reference: EventPartWriter.Reference, _ body: (EventRow) -> Void) {
    batches[Int(reference.source)].withRow(reference.row) { row, _ in body(row) }
  }
}

extension StreamEntry {
  /// Streams in the order of parts, by tenant, then labels, so that neighbours resemble each other; and the number of
  /// each.
  static func sorted(_ distinct: [Hash128: StreamEntry]) -> (streams: [StreamEntry], numbers: [Hash128: UInt32]) {
    let streams = distinct.values.sorted { left, right in
      if left.tenant != right.tenant { return left.tenant.description < right.tenant.description }
      if left.labels != right.labels {
        return left.labels.canonicalBytes.lexicographicallyPrecedes(right.labels.canonicalBytes)
      }
      return left.identity < right.identity
    }
    var numbers: [Hash128: UInt32] = [:]
    for (index, stream) in streams.enumerated() { numbers[stream.identity] = UInt32(truncatingIfNeeded: index) }
    return (streams, numbers)
  }
}
