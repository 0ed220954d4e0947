import NeedletailCluster
import NeedletailCollector
import NeedletailTelemetry

/// The nodes that hold the slots as the place where batches go: an append returns when W replicas of each slot have it on disk.
///
/// What is refused for its age is told once, here, and by this node's own limits: all nodes have the same. Only rows of which
/// something is kept are sent, so that no replica has a part that it would refuse as a whole.
struct ReplicatedSink: BatchSink {
  let view: ClusterView
  let storage: StorageSink
  let coordinator: WriteCoordinator
  let told: ToldDescriptions

  func acceptedTimes(at now: Int64, tenant: TenantID) -> ClosedRange<Int64> {
    storage.acceptedTimes(at: now, tenant: tenant)
  }

  func append(series: SeriesBatch, definitions: SeriesDefinitions?) async throws(SinkError) -> SinkOutcome {
    try await write(.series(series), definitions, nil)
  }

  func append(
    series: SeriesBatch, definitions: SeriesDefinitions?, redefine: Redefinition
  ) async throws(SinkError) -> SinkOutcome {
    try await write(.series(series), definitions, redefine)
  }

  func append(events: EventBatch) async throws(SinkError) -> SinkOutcome {
    try await write(.events(events), nil, nil)
  }

  /// Series that come without samples go where their samples would, as rows without any.
  func append(definitions: SeriesDefinitions) async throws(SinkError) {
    let batch = try StorageSink.batch(of: definitions)
    guard batch.seriesCount == 0 else {
      _ = try await write(.series(batch), definitions, nil)
      return
    }
    try await describe(definitions, try layout)
  }

  /// Descriptions go to the replicas of the slots that their metrics' keys lie in, and count when W of each have them: where
  /// series of a metric are says nothing of who is to keep what it is. They ride on a batch without rows.
  private func describe(_ definitions: SeriesDefinitions, _ layout: ClusterLayout) async throws(SinkError) {
    let untold: ToldDescriptions.Untold?
    do {
      untold = try told.untold(of: definitions, layout.assignment.slots, epoch: layout.epoch)
    } catch {
      throw .refused(reason: "the definitions are malformed: \(error)")
    }
    guard let untold else { return }
    guard let batch = SeriesBatch.empty(tenant: definitions.tenant) else {
      throw .refused(reason: "the definitions do not fit into a batch")
    }
    let hash = untold.definitions.frame.bytes.withUnsafeBytes { Hash128.of($0) }
    try await coordinator.write(
      WritePayload(
        id: WriteID(of: hash, epoch: layout.epoch), epoch: layout.epoch,
        parts: ReplicaParts(.series(batch), asOf: untold.slots, over: layout.groups),
        definitions: untold.definitions, redefinition: nil))
    told.note(untold, epoch: layout.epoch)
  }

  private var layout: ClusterLayout {
    get throws(SinkError) {
      guard let layout = view.layout else { throw .unavailable(reason: "the node has not joined a cluster yet") }
      return layout
    }
  }

  private func write(
    _ content: WriteContent, _ definitions: SeriesDefinitions?, _ redefinition: Redefinition?
  ) async throws(SinkError) -> SinkOutcome {
    let layout = try layout
    let (outcome, kept) = try storage.expected(content)
    let sent = kept.map { content.selecting($0[...]) } ?? .some(content)
    guard let sent, let parts = ReplicaParts(sent, slots: layout.assignment.slots, over: layout.groups)
    else { throw .refused(reason: "the batch has no rows, or rows of slots that the cluster does not have") }
    if let definitions, definitions.tenant != sent.frame.tenant {
      throw .refused(reason: "definitions and batch are of different tenants")
    }
    if let definitions {
      do throws(SinkError) {
        try await describe(definitions, layout)
      } catch .unavailable {
        // Rows whose replicas are there do not wait for it: what was not told is told with the next request.
      }
    }
    try await coordinator.write(
      WritePayload(
        id: sent.writeID(epoch: layout.epoch), epoch: layout.epoch, parts: parts, definitions: definitions,
        redefinition: redefinition))
    return outcome
  }
}
