import NeedletailCluster
import NeedletailCollector
import NeedletailTelemetry

/// This node's engines as the place of a replica's rows.
struct ReplicaStore: Sendable {
  let storage: StorageSink

  /// Stores definitions, then the batch behind them; returns when all is durable.
  ///
  /// A hint of which nothing is kept any more counts as stored: nobody misses it.
  func store(_ frames: [Frame], isHint: Bool) async throws(WriteRefusal) {
    guard let last = frames.last else { throw .forGood(.malformed) }
    var definitions: [SeriesDefinitions] = []
    let content: WriteContent
    do throws(MalformedBytes) {
      for frame in frames.dropLast() { definitions.append(try SeriesDefinitions(validating: frame)) }
      content =
        last.kind == .seriesSamples
        ? .series(try SeriesBatch(validating: last)) : .events(try EventBatch(validating: last))
    } catch {
      throw .forGood(.malformed)
    }
    do throws(SinkError) {
      switch content {
      case .series(let batch):
        for one in definitions.dropLast() { try await storage.append(definitions: one) }
        _ = try await storage.append(series: batch, definitions: definitions.last, asReplica: true)
      case .events(let batch): _ = try await storage.append(events: batch, asReplica: true)
      }
    } catch .outOfRetention where isHint {
      return
    } catch .tooFarInFuture where isHint {
      return
    } catch {
      throw WriteRefusal(error)
    }
  }
}

extension WriteRefusal {
  /// How long a node that cannot write leaves its callers to others, in ms.
  private static let unavailableMilliseconds: UInt32 = 1_000

  /// Why a replica did not take a write that its engine did not.
  init(_ error: SinkError) {
    switch error {
    case .unknownSeries: self = .unknownSeries
    case .overloaded(let seconds):
      self = .overloaded(retryAfterMilliseconds: UInt32(clamping: min(max(0, seconds), 3_600) * 1_000))
    case .unavailable: self = .overloaded(retryAfterMilliseconds: Self.unavailableMilliseconds)
    case .outOfRetention, .tooFarInFuture: self = .forGood(.outOfRetention)
    case .outOfWindow: self = .forGood(.outOfWindow)
    case .refused: self = .forGood(.malformed)
    }
  }
}
