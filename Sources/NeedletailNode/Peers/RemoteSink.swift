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
    try await append(.series(series, definitions), rows: series.sampleCount + series.histogramCount)
  }

  func append(definitions: SeriesDefinitions) async throws(SinkError) {
    _ = try await append(.definitions(definitions), rows: 0)
  }

  func append(events: EventBatch) async throws(SinkError) -> SinkOutcome {
    try await append(.events(events), rows: events.rowCount)
  }

  private func append(_ content: AppendMessage.Content, rows: Int) async throws(SinkError) -> SinkOutcome {
    let answer: [UInt8]
    do throws(PeerError) {
      answer = try await channel.call(.append, AppendMessage.encode(content), within: timeout, answerBytesMax: 64 << 10)
    } catch {
      throw error.sinkError(of: channel.address)
    }
    let outcome: Result<SinkOutcome, SinkError>
    do throws(MalformedBytes) { outcome = try AppendMessage.decodeOutcome(answer) } catch {
      throw .unavailable(reason: "\(channel.address) answered with what cannot be read: \(error)")
    }
    return try outcome.get().bounded(by: rows)
  }
}

extension SinkOutcome {
  /// What may have become of a batch of so many rows: a node cannot have refused more of them.
  fileprivate func bounded(by rows: Int) -> SinkOutcome {
    let tooOld = min(tooOld, rows)
    return SinkOutcome(tooOld: tooOld, outOfWindow: min(outOfWindow, tooOld), tooNew: min(tooNew, rows - tooOld))
  }
}

extension PeerError {
  /// What becomes of a batch that a node did not take: only what it will never take is not to be sent again.
  func sinkError(of address: ListenAddress) -> SinkError {
    guard case .refused(let code, _, let retryAfterSeconds) = self else {
      return .unavailable(reason: "\(address) \(self)")
    }
    switch GRPCStatus.Code(rawValue: code) {
    case .invalidArgument, .resourceExhausted: return .refused(reason: "\(address) \(self)")
    case .unavailable:
      if let retryAfterSeconds { return .overloaded(retryAfterSeconds: retryAfterSeconds) }
      return .unavailable(reason: "\(address) \(self)")
    default: return .unavailable(reason: "\(address) \(self)")
    }
  }
}
