import NeedletailBlocks
import NeedletailTelemetry

// How an append keeps the promise that a log generation stands alone: under the journal's lock, the labels of every
// series that the generation has not seen are logged ahead of the batch. They come from the caller's definitions, from
// the head (after a replay), or from the head before (after a flush).

extension SeriesEngine {
  private static let unknownNamedMax = 16
  private static let definitionsFrameBytes = 8 << 20

  /// Appends a batch; returns when it is durable.
  ///
  /// `definitions` name the labels of series that the engine may not know, and may be for more series than the batch
  /// has.
  ///
  /// Samples outside the retention, or too far in the future, are counted and not kept; the others are. Throws
  /// `.unknownSeries`, `.malformed`, `.overloaded` (nothing was logged) or `.unavailable`.
  package func append(
    _ batch: SeriesBatch, definitions: SeriesDefinitions?
  ) async throws(SeriesEngineError) -> SeriesAppendOutcome {
    guard let journal = currentJournal else { throw .unavailable(reason: "the engine was not started") }
    let checked = try check(batch, definitions)
    let position: LogPosition
    let outcome: SeriesAppendOutcome
    do {
      (outcome, position) = try journal.append { transaction in
        try self.logAndApply(batch, checked, &transaction)
      }
    } catch {
      throw translated(error)
    }
    do throws(JournalError) { try await journal.awaitDurable(position) } catch { throw SeriesEngineError(error) }
    return outcome
  }

  private func check(
    _ batch: SeriesBatch, _ definitions: SeriesDefinitions?
  ) throws(SeriesEngineError) -> CheckedDefinitions {
    if let definitions, definitions.tenant != batch.tenant {
      throw .malformed("definitions and batch are of different tenants")
    }
    do {
      try batch.withRows { try $0.checkAttachments() }
      return try definitions.map { try CheckedDefinitions($0) } ?? CheckedDefinitions()
    } catch {
      throw .malformed("\(error)")
    }
  }

  private func translated(_ error: any Error) -> SeriesEngineError {
    if let error = error as? SeriesEngineError {
      if case .unknownSeries = error { counters.withLock { $0.batchesOfUnknownSeries += 1 } }
      return error
    }
    if let error = error as? JournalError { return SeriesEngineError(error) }
    return .unavailable(reason: "\(error)")
  }

  /// Logs and applies a batch at one instant.
  ///
  /// Throws before anything was applied, or not at all.
  func logAndApply(
    _ batch: SeriesBatch, _ definitions: CheckedDefinitions, _ transaction: inout JournalTransaction
  ) throws -> SeriesAppendOutcome {
    let (head, frozen, known) = state.withLock { ($0.head, $0.frozen, $0.known) }
    let frozenBytes = frozen.map { $0.withStorage { $0.byteCount } } ?? 0
    let bounds = options.acceptedTimes(at: now)
    var refused = 0
    let outcome = try batch.withRows { rows in
      try head.withStorage { storage in
        guard frozenBytes + storage.byteCount < options.headBytesMax, !storage.samples.isFull(for: batch.sampleCount)
        else {
          throw SeriesEngineError.overloaded("the head is full until the next flush is done")
        }
        let plan = try AppendPlan(
          rows, tenant: batch.tenant, definitions, storage, known: known,
          generation: UInt32(truncatingIfNeeded: transaction.generation))
        try plan.log(to: &transaction)
        if !rows.isWithin(bounds) { try Self.log(bounds, to: &transaction) }
        try transaction.log(Self.batchKind, batch.frame.bytes)
        refused = plan.apply(to: &storage)
        return storage.apply(rows, numbers: plan.numbers, bounds: bounds)
      }
    }
    count(outcome, batch)
    keep(definitions.metrics, in: head, refused: refused)
    return outcome
  }

  /// Makes the descriptions that the head kept those that queries see, and counts those that found no room.
  private func keep(
    _ metrics: [(key: MetricKey, description: MetricMetadata)], in head: SeriesHead, refused: Int
  ) {
    guard !metrics.isEmpty else { return }
    let kept = head.withStorage { storage in
      metrics.filter { storage.metadata[$0.key]?.description == $0.description }
    }
    let unseen = state.withLock { state in
      kept.reduce(into: 0) { count, metric in
        if !state.metadata.set(metric.description, of: metric.key) { count += 1 }
      }
    }
    counters.withLock { $0.metadataRefused += UInt64(refused + unseen) }
  }

  private static func log(
    _ bounds: ClosedRange<Int64>, to transaction: inout JournalTransaction
  ) throws(JournalError) {
    var writer = ByteWriter(reserving: 16)
    writer.append(bounds.lowerBound)
    writer.append(bounds.upperBound)
    try transaction.log(boundsKind, writer.bytes)
  }

  private func count(_ outcome: SeriesAppendOutcome, _ batch: SeriesBatch) {
    counters.withLock { counters in
      counters.samplesAppended += UInt64(outcome.accepted)
      counters.histogramsAppended += UInt64(batch.histogramCount)
      counters.exemplarsAppended += UInt64(batch.exemplarCount)
      counters.samplesOutOfOrder += UInt64(outcome.outOfOrder)
      counters.samplesDuplicate += UInt64(outcome.duplicates)
      counters.samplesOutOfRetention += UInt64(outcome.outOfRetention)
      counters.samplesTooFarInFuture += UInt64(outcome.tooFarInFuture)
    }
  }

  /// What an append will add to the head and must log before: worked out in full before anything is changed.
  private struct AppendPlan {
    /// The number of every row's series, those that are to be added included.
    private(set) var numbers: [UInt32] = []
    private var added: [(id: SeriesID, labels: LabelSet)] = []
    private var relogged: [Int] = []
    private var metrics: [(key: MetricKey, description: MetricMetadata)] = []
    /// Descriptions for which there is no room.
    private var refused = 0
    private var frames: [[UInt8]] = []
    private let tenant: TenantID
    private let generation: UInt32

    init(
      _ rows: SeriesRows, tenant: TenantID, _ definitions: CheckedDefinitions, _ storage: borrowing HeadStorage,
      known: SeriesRegistry?, generation: UInt32
    ) throws(SeriesEngineError) {
      self.tenant = tenant
      self.generation = generation
      numbers.reserveCapacity(rows.seriesCount)
      var newNumbers: [SeriesID: Int] = [:]
      var unknown: [SeriesID] = []
      for row in 0..<rows.seriesCount {
        let id = rows.seriesID(row)
        if let number = storage.registry.find(id) {
          if storage.states[number].loggedGeneration != generation { relogged.append(number) }
          numbers.append(UInt32(truncatingIfNeeded: number))
        } else if let number = newNumbers[id] {
          numbers.append(UInt32(truncatingIfNeeded: number))
        } else if let labels = definitions.labels[id] ?? known?.labels(of: id) {
          let number = storage.registry.count + added.count
          newNumbers[id] = number
          added.append((id, labels))
          numbers.append(UInt32(truncatingIfNeeded: number))
        } else {
          if unknown.count < unknownNamedMax { unknown.append(id) }
        }
      }
      guard unknown.isEmpty else { throw .unknownSeries(unknown) }
      metrics = definitions.metrics.filter { metric in
        let logged = storage.metadata[metric.key]
        guard logged?.generation != generation || logged?.description != metric.description else { return false }
        // What would not be kept is not logged either: it would be logged again with every batch.
        let hasRoom = storage.metadata.hasRoom(for: metric.description, of: metric.key)
        if !hasRoom { refused += 1 }
        return hasRoom
      }
      try encode(storage)
    }

    private mutating func encode(_ storage: borrowing HeadStorage) throws(SeriesEngineError) {
      var builder = SeriesDefinitionsBuilder()
      for series in added { try append(series.id, series.labels, to: &builder) }
      for series in relogged {
        let labels = storage.registry.withLabels(series) { LabelSet(canonicalBytes: Array($0)) }
        try append(storage.registry.id(series), labels, to: &builder)
      }
      for metric in metrics {
        builder.append(metric: metric.key.name, metric.description)
        if builder.byteCountEstimate > definitionsFrameBytes { try close(&builder) }
      }
      try close(&builder)
    }

    private mutating func append(
      _ id: SeriesID, _ labels: LabelSet, to builder: inout SeriesDefinitionsBuilder
    ) throws(SeriesEngineError) {
      builder.append(id, labels: labels)
      if builder.byteCountEstimate > definitionsFrameBytes { try close(&builder) }
    }

    private mutating func close(_ builder: inout SeriesDefinitionsBuilder) throws(SeriesEngineError) {
      guard !builder.isEmpty else { return }
      guard let definitions = builder.build(tenant: tenant) else { throw .malformed("labels are too large to log") }
      frames.append(definitions.frame.bytes)
    }

    func log(to transaction: inout JournalTransaction) throws(JournalError) {
      for frame in frames { try transaction.log(definitionsKind, frame) }
    }

    /// Returns how many descriptions of metrics found no room.
    func apply(to storage: inout HeadStorage) -> Int {
      if !added.isEmpty {
        let tenant = storage.number(of: tenant)
        for series in added {
          series.labels.withUnsafeBytes { storage.add(series.id, tenant: tenant, labels: $0, generation: generation) }
        }
      }
      for series in relogged { storage.noteLogged(series, generation: generation) }
      var refused = refused
      for metric in metrics
      where !storage.metadata.set(metric.description, of: metric.key, generation: generation) { refused += 1 }
      return refused
    }
  }
}

extension SeriesRegistry {
  fileprivate func labels(of id: SeriesID) -> LabelSet? {
    find(id).map { series in withLabels(series) { LabelSet(canonicalBytes: Array($0)) } }
  }
}
