import NeedletailBlocks
import NeedletailTelemetry

extension SeriesEngine {
  package func store(_ payload: [UInt8], of slot: UInt16) async throws(SlotContentsError) {
    let batches = try repaired(payload, of: slot)
    guard let journal = currentJournal else { throw .unavailable("the engine was not started") }
    do throws(SeriesEngineError) {
      for (batch, definitions) in batches {
        let (_, position) = try appendInMemory(batch, definitions, to: journal, isRepair: true)
        do throws(JournalError) { try await journal.awaitDurable(position) } catch { throw SeriesEngineError(error) }
      }
    } catch { throw SlotContentsError(error) }
  }

  /// The batches of an export, each with the definitions of its series.
  private func repaired(
    _ payload: [UInt8], of slot: UInt16
  ) throws(SlotContentsError) -> [(SeriesBatch, SeriesDefinitions?)] {
    do {
      var batches: [(SeriesBatch, SeriesDefinitions?)] = []
      var definitions: SeriesDefinitions?
      for frame in try payload.withUnsafeBytes({ try Frame.sequence($0) }) {
        if frame.kind == .seriesDefinitions {
          let defined = try SeriesDefinitions(validating: frame)
          try defined.forEachMetric { name, _ in
            guard slots.slot(of: MetricMetadata.key(of: name, tenant: defined.tenant)) == slot else {
              throw MalformedBytes.invalid("descriptions of another slot")
            }
          }
          definitions = defined
          continue
        }
        let batch = try SeriesBatch(validating: frame)
        let isOurs = batch.withRows { rows in
          (0..<rows.seriesCount).allSatisfy { slots.slot(of: rows.seriesID($0)) == slot }
        }
        guard isOurs else { throw MalformedBytes.invalid("series of another slot") }
        batches.append((batch, definitions))
      }
      return batches
    } catch { throw .malformed("\(error)") }
  }
}

extension SlotContentsError {
  fileprivate init(_ error: SeriesEngineError) {
    switch error {
    case .unknownSeries, .malformed: self = .malformed("\(error)")
    case .overloaded: self = .overloaded("\(error)")
    case .unavailable: self = .unavailable("\(error)")
    }
  }
}
