import NeedletailBlocks
import NeedletailTelemetry

/// What an append will add to the head and must log before: worked out in full before anything is applied.
///
/// New series enter the directory here already. Should logging fail they stay there without a sample in any head,
/// where no query sees them.
struct AppendPlan {
  private static let unknownNamedMax = 16
  private static let definitionsFrameBytes = 8 << 20

  /// The number of every row's series, those that were added included.
  private(set) var numbers: [UInt32]
  /// The series whose labels the generation has not seen.
  private(set) var unlogged: [UInt32] = []
  private var metrics: [(key: MetricKey, description: MetricMetadata)] = []
  /// Whether `metrics` are those that the sender told, not what was known and wins.
  private var areMetricsAsSent = true
  /// Descriptions for which there is no room.
  private var refused = 0
  private var frames: [[UInt8]] = []
  private let tenant: TenantID
  private let generation: UInt64

  /// `old` is the directory before this one, whose labels are known still.
  ///
  /// Throws `.unknownSeries`, `.overloaded` or `.malformed`, and then the head is as before.
  init(
    _ rows: SeriesRows, tenant: TenantID, _ definitions: CheckedDefinitions, generation: UInt64, to head: SeriesHead,
    old: SeriesDirectory?
  ) throws(SeriesEngineError) {
    self.tenant = tenant
    self.generation = generation
    numbers = [UInt32](repeating: 0, count: rows.seriesCount)
    let unknown = head.directory.withContent { $0.findAll(rows, into: &numbers) }
    if unknown > 0 { try addUnknown(rows, definitions, to: head.directory, old: old) }
    head.withStorage { storage in
      storage.mark(numbers, generation: generation, unlogged: &unlogged)
      select(definitions.metrics, storage)
    }
    guard !unlogged.isEmpty || !metrics.isEmpty else { return }
    do throws(SeriesEngineError) {
      try encode(definitions, head.directory)
    } catch {
      undo(in: head)
      throw error
    }
  }

  private mutating func addUnknown(
    _ rows: SeriesRows, _ definitions: CheckedDefinitions, to directory: SeriesDirectory, old: SeriesDirectory?
  ) throws(SeriesEngineError) {
    let before = old.map { Predecessor($0) }
    var missing: [SeriesID] = []
    for row in numbers.indices where numbers[row] == UInt32.max && missing.count < Self.unknownNamedMax {
      let id = rows.seriesID(row)
      if !definitions.contains(id), before?.find(id) == nil { missing.append(id) }
    }
    guard missing.isEmpty else { throw .unknownSeries(missing) }
    let isFull = directory.withContent { content in
      for row in numbers.indices where numbers[row] == UInt32.max {
        let id = rows.seriesID(row)
        // A series may have several rows.
        var number = content.find(id)
        if number == nil {
          number =
            definitions.withLabels(of: id) { content.add(id, tenant: tenant, labels: $0) }
            ?? before?.withLabels(of: id) { content.add(id, tenant: tenant, labels: $0) } ?? nil
        }
        guard let number else { return true }
        numbers[row] = UInt32(truncatingIfNeeded: number)
      }
      return false
    }
    if isFull { throw .overloaded("there are more series than the index can hold") }
  }

  /// Picks the descriptions that are to be logged.
  private mutating func select(
    _ described: [(key: MetricKey, description: MetricMetadata)], _ storage: HeadStorage
  ) {
    for metric in described {
      let logged = storage.metadata[metric.key]
      let winner = storage.metadata.winner(metric.description, of: metric.key)
      if logged?.generation == UInt32(truncatingIfNeeded: generation), logged?.description == winner { continue }
      // What would not be kept is not logged either: it would be logged again with every batch.
      if storage.metadata.hasRoom(for: winner, of: metric.key) {
        metrics.append((metric.key, winner))
        if winner != metric.description { areMetricsAsSent = false }
      } else {
        refused += 1
      }
    }
  }

  private mutating func encode(
    _ definitions: CheckedDefinitions, _ directory: SeriesDirectory
  ) throws(SeriesEngineError) {
    let records = directory.records
    if areMetricsAsSent, metrics.count == definitions.metrics.count, definitions.seriesCount <= 2 * unlogged.count,
      unlogged.allSatisfy({ definitions.contains(records.id(Int($0))) })
    {
      // The sender's frame says it all.
      frames.append(definitions.frame)
      return
    }
    var builder = SeriesDefinitionsBuilder()
    for series in unlogged {
      records.withLabels(Int(series)) { builder.append(records.id(Int(series)), canonicalLabels: $0) }
      if builder.byteCountEstimate > Self.definitionsFrameBytes { try close(&builder) }
    }
    for metric in metrics {
      builder.append(metric: metric.key.name, metric.description)
      if builder.byteCountEstimate > Self.definitionsFrameBytes { try close(&builder) }
    }
    try close(&builder)
  }

  private mutating func close(_ builder: inout SeriesDefinitionsBuilder) throws(SeriesEngineError) {
    guard !builder.isEmpty else { return }
    guard let definitions = builder.build(tenant: tenant) else { throw .malformed("labels are too large to log") }
    frames.append(definitions.frame.bytes)
  }

  /// Logs the labels and descriptions that the generation has not seen.
  func log(to transaction: inout JournalTransaction) throws(JournalError) {
    for frame in frames { try transaction.log(SeriesEngine.definitionsKind, frame) }
  }

  /// Takes back what the plan noted in the head: its labels were not logged.
  func undo(in head: SeriesHead) { head.withStorage { $0.unmark(unlogged) } }

  /// Counts the series as active and keeps the descriptions.
  ///
  /// Returns how many descriptions of metrics found no room.
  func apply(to head: SeriesHead) -> Int {
    guard !unlogged.isEmpty || !metrics.isEmpty else { return refused }
    var fresh: [UInt32] = []
    let unkept = head.withStorage { storage in
      storage.activate(unlogged, fresh: &fresh)
      return metrics.reduce(into: 0) { unkept, metric in
        let generation = UInt32(truncatingIfNeeded: generation)
        if !storage.metadata.take(metric.description, of: metric.key, generation: generation) { unkept += 1 }
      }
    }
    head.directory.noteActive(fresh)
    return refused + unkept
  }
}

/// The directory before, as an append asks it.
private struct Predecessor {
  let directory: SeriesDirectory
  let records: DirectoryRecords

  init(_ directory: SeriesDirectory) {
    self.directory = directory
    records = directory.records
  }

  func find(_ id: SeriesID) -> Int? { directory.withContent { $0.find(id) } }

  func withLabels<Result>(of id: SeriesID, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
    find(id).map { records.withLabels($0, body) }
  }
}
