import NeedletailCollector
import NeedletailTelemetry

/// Another node as the place where batches go: its answer is that its log promises to keep the batch.
struct RemoteSink: BatchSink {
  let channel: PeerChannel
  /// How long it may take to answer.
  let timeout: Duration
  /// The times that are taken, where nobody has to be asked: nodes of one cluster have the same retention.
  let times: @Sendable (_ now: Int64, _ tenant: TenantID) -> ClosedRange<Int64>

  func acceptedTimes(at now: Int64, tenant: TenantID) -> ClosedRange<Int64> { times(now, tenant) }

  func append(series: SeriesBatch, definitions: SeriesDefinitions?) async throws(SinkError) -> SinkOutcome {
    try await append(.series(series, definitions))
  }

  func append(definitions: SeriesDefinitions) async throws(SinkError) {
    _ = try await append(.definitions(definitions))
  }

  func append(events: EventBatch) async throws(SinkError) -> SinkOutcome { try await append(.events(events)) }

  private func append(_ content: AppendMessage.Content) async throws(SinkError) -> SinkOutcome {
    let answer: [UInt8]
    do throws(PeerError) {
      answer = try await channel.call(.append, AppendMessage.encode(content), within: timeout, answerBytesMax: 64 << 10)
    } catch {
      throw .unavailable(reason: "\(channel.address) \(error)")
    }
    let outcome: Result<SinkOutcome, SinkError>
    do throws(MalformedBytes) { outcome = try AppendMessage.decodeOutcome(answer) } catch {
      throw .unavailable(reason: "\(channel.address) answered with what cannot be read: \(error)")
    }
    return try outcome.get()
  }
}
