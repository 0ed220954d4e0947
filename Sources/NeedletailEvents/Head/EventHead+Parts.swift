import NeedletailBlocks
import NeedletailTelemetry

extension EventHead {
  /// Writes all rows as parts, one for each UTC day that they fall on.
  func write(isSpans: Bool, slots: SlotMap, to parts: PartsFolder) throws(BlockError) -> [PartRecord] {
    let (streams, numbers) = sortedStreams()
    var days: [Int64: [EventPartWriter.Reference]] = [:]
    for (index, batch) in batches.enumerated() {
      batch.forEachRow { row, event, stream in
        let reference = EventPartWriter.Reference(
          stream: numbers[stream.identity] ?? 0, key: event.key, batch: UInt32(truncatingIfNeeded: index), row: row)
        days[PartFormat.day(event.time), default: []].append(reference)
      }
    }
    var records: [PartRecord] = []
    for (_, references) in days.sorted(by: { $0.key < $1.key }) {
      let sorted = references.sorted { $0.stream != $1.stream ? $0.stream < $1.stream : $0.key < $1.key }
      records.append(
        try EventPartWriter.write(sorted, of: batches, streams: streams, isSpans: isSpans, slots: slots, to: parts))
    }
    return records
  }

  /// The streams in the order of parts: by tenant, then labels, so that neighbours resemble each other.
  private func sortedStreams() -> ([StreamEntry], [Hash128: UInt32]) {
    var distinct: [Hash128: StreamEntry] = [:]
    for batch in batches { for stream in batch.streams { distinct[stream.identity] = stream } }
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
