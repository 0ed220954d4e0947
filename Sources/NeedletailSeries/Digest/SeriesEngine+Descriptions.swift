import NeedletailBlocks
import NeedletailTelemetry

// Descriptions of metrics as repair compares and moves them. They belong to a metric, which has series in many slots, and
// to no time: each lies in the slot of its metric's key, in the window `SlotWindow.timeless`. All of them are in memory, so
// that their digests are summed up at the first question after a change, and nothing is kept up for them before.

extension SeriesEngine {
  private typealias Description = (key: Hash128, metric: MetricKey, description: MetricMetadata)

  /// What the descriptions of each slot come to, by slot.
  ///
  /// O(1) where none changed since it was asked last, else O(descriptions). Throws where a part cannot be opened: which it
  /// has is not known.
  func descriptionSums() throws(SlotContentsError) -> [RangeDigest] {
    let (metadata, unreadable) = state.withLock { ($0.metadata, $0.unread.first) }
    if let unreadable { throw .damage("\(unreadable.damage)") }
    if let known = descriptionDigests.withLock({ $0 }), known.version == metadata.version { return known.digests }
    var sums = [RangeDigest](repeating: RangeDigest(), count: slots.count)
    for (metric, entry) in metadata.entries {
      let key = metric.hash
      sums[Int(slots.slot(of: key))].add(entry.description.digest(of: key))
    }
    descriptionDigests.withLock { [sums] in $0 = (metadata.version, sums) }
    return sums
  }

  /// Those of a slot whose keys are wanted, by key.
  private func descriptions(
    of slot: UInt16, where isWanted: (Hash128) -> Bool
  ) throws(SlotContentsError) -> [Description] {
    let (metadata, unreadable) = state.withLock { ($0.metadata, $0.unread.first) }
    if let unreadable { throw .damage("\(unreadable.damage)") }
    var found: [Description] = []
    for (metric, entry) in metadata.entries {
      let key = metric.hash
      if slots.slot(of: key) == slot, isWanted(key) { found.append((key, metric, entry.description)) }
    }
    return found.sorted { $0.key < $1.key }
  }

  /// What each of a slot comes to, by key.
  func descriptionListing(
    of slot: UInt16, in share: KeyShare
  ) throws(SlotContentsError) -> [(key: Hash128, digest: RangeDigest)] {
    try descriptions(of: slot) { share.contains($0) }.map { ($0.key, $0.description.digest(of: $0.key)) }
  }

  /// Some of a slot, as definitions of no series, with a batch of no rows behind those of each tenant.
  func descriptionExport(
    of slot: UInt16, _ request: SlotExport.Request, bytesMax: Int
  ) throws(SlotContentsError) -> SlotExport {
    let isAskedFor = request.isAskedFor
    let all = try descriptions(of: slot) { isAskedFor($0) }
    var room = bytesMax
    let taken = all.prefix { one in
      let isFirst = room == bytesMax
      room -= 32 + one.metric.name.utf8.count + one.description.unit.utf8.count + one.description.help.utf8.count
      return isFirst || room >= 0
    }
    var payload: [UInt8] = []
    let byTenant = Dictionary(grouping: taken) { $0.metric.tenant }
    for tenant in byTenant.keys.sorted(by: { $0.description < $1.description }) {
      var builder = SeriesDefinitionsBuilder()
      for one in byTenant[tenant] ?? [] { builder.append(metric: one.metric.name, one.description) }
      guard let definitions = builder.build(tenant: tenant), let batch = SeriesBatch.empty(tenant: tenant) else {
        throw .malformed("descriptions do not fit into a frame")
      }
      payload += definitions.frame.bytes
      payload += batch.frame.bytes
    }
    let left = all.dropFirst(taken.count).map(\.key)
    return SlotExport(payload: payload, rest: left.isEmpty ? nil : SlotExport.Request(keys: left))
  }
}
