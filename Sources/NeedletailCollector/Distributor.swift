import NeedletailTelemetry
import NeedletailWire

/// What became of the batches of a request.
package struct Delivery: Sendable {
  /// What became of one batch.
  enum Fate: Equatable, Sendable {
    /// It is stored, but for what the outcome counts.
    case stored(SinkOutcome)
    /// It will never be stored.
    case refused(RejectionReason, String)

    var isStored: Bool {
      if case .stored = self { true } else { false }
    }
  }

  /// The fates of the first batches, in their order: of all of them where there is no failure.
  fileprivate(set) var fates: [Fate] = []
  /// Why the other batches were not stored; the sender may try again.
  fileprivate(set) var failure: SinkError?
}

/// Hands batches on.
///
/// Who owns which slot is the sink's to know. A batch that is refused
/// for good does not keep the others of its request from the sink; an error that may pass ends the delivery, as the
/// sender is asked to send the request again.
package struct Distributor: Sendable {
  private let sink: any BatchSink

  package init(sink: any BatchSink) { self.sink = sink }

  /// The times of a tenant's samples that are taken when it is `now`, both in ms since 1970.
  func acceptedTimes(at now: Int64, tenant: TenantID) -> ClosedRange<Int64> {
    sink.acceptedTimes(at: now, tenant: tenant)
  }

  /// Hands on the batches of a request, definitions first.
  ///
  /// Where the sink does not know a series, `redefine` is asked once for the definitions of all of them.
  func append(
    _ batches: [SeriesBatch], definitions: [SeriesDefinitions], redefine: Redefinition
  ) async -> Delivery {
    var delivery = Delivery()
    var refusal: (RejectionReason, String)?
    do throws(SinkError) {
      // Definitions that fit into one frame, as nearly all do, travel with the first batch.
      var pending = batches.isEmpty ? nil : definitions.last
      for part in batches.isEmpty ? definitions[...] : definitions.dropLast() {
        if let refused = try await define(part) { refusal = refused }
      }
      var isRedefined = false
      for batch in batches {
        var fate = try await append(batch, pending, redefine)
        if fate == nil, !isRedefined {
          isRedefined = true
          for part in redefine() {
            if let refused = try await define(part) { refusal = refused }
          }
          fate = try await append(batch, pending, redefine)
        }
        pending = nil
        if fate == nil, let refusal { fate = .refused(refusal.0, refusal.1) }
        guard let fate else { throw .unknownSeries }
        delivery.fates.append(fate)
      }
    } catch {
      delivery.failure = error
    }
    return delivery
  }

  /// Nil where the sink does not know a series.
  private func append(
    _ batch: SeriesBatch, _ definitions: SeriesDefinitions?, _ redefine: Redefinition
  ) async throws(SinkError) -> Delivery.Fate? {
    do throws(SinkError) {
      return .stored(try await sink.append(series: batch, definitions: definitions, redefine: redefine))
    } catch .unknownSeries {
      return nil
    } catch {
      let (reason, detail) = try Self.refusal(error)
      return .refused(reason, detail)
    }
  }

  /// Why the definitions were refused, if they were.
  private func define(_ part: SeriesDefinitions) async throws(SinkError) -> (RejectionReason, String)? {
    do throws(SinkError) {
      try await sink.append(definitions: part)
      return nil
    } catch {
      return try Self.refusal(error)
    }
  }

  func append(_ batches: [EventBatch]) async -> Delivery {
    var delivery = Delivery()
    do throws(SinkError) {
      for batch in batches { delivery.fates.append(try await append(batch)) }
    } catch {
      delivery.failure = error
    }
    return delivery
  }

  private func append(_ batch: EventBatch) async throws(SinkError) -> Delivery.Fate {
    do throws(SinkError) {
      return .stored(try await sink.append(events: batch))
    } catch {
      let (reason, detail) = try Self.refusal(error)
      return .refused(reason, detail)
    }
  }

  /// The reason of an error that is final; throws one that may pass.
  private static func refusal(_ error: SinkError) throws(SinkError) -> (RejectionReason, String) {
    switch error {
    case .outOfRetention(let detail): (.outOfRetention, detail)
    case .outOfWindow(let detail): (.outOfOrderWindow, detail)
    case .tooFarInFuture(let detail): (.tooFarInFuture, detail)
    case .refused(let detail): (.refusedByStore, detail)
    case .unknownSeries, .overloaded, .unavailable: throw error
    }
  }
}
