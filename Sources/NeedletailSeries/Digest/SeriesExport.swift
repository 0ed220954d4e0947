import NeedletailTelemetry

/// Puts series, as a walk finds them, into the frames of an export: for each tenant definitions, then samples.
///
/// The order of a series' elements is that of positions: samples by time, then histograms by time, then exemplars by time, value
/// and labels.
struct SeriesExport {
  private enum Section {
    static let samples: UInt8 = 0
    static let histograms: UInt8 = 1
    static let exemplars: UInt8 = 2
  }

  /// What became of a series.
  enum Outcome: Equatable {
    case whole
    /// This is where the next export goes on.
    case upTo(SlotExport.Position)
  }

  private var payload: [UInt8] = []
  private var tenant = TenantID.default
  private var definitions = SeriesDefinitionsBuilder()
  private var batch = SeriesBatchBuilder()
  /// Bytes that may still be added.
  private var room: Int
  private var isEmpty = true
  private var id = SeriesID(Hash128(high: 0, low: 0))
  /// That of the open row; nil where there is none.
  private var start: Int64?

  init(bytesMax: Int) { room = bytesMax }

  /// Adds the current series of a walk from a position on, as far as there is room.
  mutating func add(
    _ walk: inout SlotWalk, from position: SlotExport.Position?
  ) throws(SlotContentsError) -> Outcome {
    let from = position ?? SlotExport.Position(section: Section.samples, time: .min)
    if walk.tenant != tenant { try endTenant() }
    (tenant, id, start) = (walk.tenant, walk.id, nil)
    let labels: [UInt8]
    do throws(SeriesDigestError) { labels = try walk.labels() } catch { throw SlotContentsError(error) }
    guard takeRoom(labels.count + 24) else { return .upTo(from) }
    labels.withUnsafeBytes { definitions.append(id, canonicalLabels: $0) }
    if let next = addSamples(walk.columns, from) { return .upTo(next) }
    if let next = addHistograms(walk.histograms, from) { return .upTo(next) }
    if let next = addExemplars(walk.exemplars, from) { return .upTo(next) }
    return .whole
  }

  /// Whether there is room for so many bytes, which are then taken; there always is for the first element.
  private mutating func takeRoom(_ bytes: Int) -> Bool {
    guard room >= bytes || isEmpty else { return false }
    room -= bytes
    return true
  }

  /// Opens a row for elements whose counts began then.
  private mutating func open(_ start: Int64) {
    isEmpty = false
    guard self.start != start else { return }
    self.start = start
    room -= 36
    batch.beginSeries(id, startTimestamp: start == 0 ? nil : start)
  }

  private mutating func addSamples(_ columns: SampleColumns, _ from: SlotExport.Position) -> SlotExport.Position? {
    guard from.section == Section.samples else { return nil }
    let starts = columns.starts.starts(of: 0..<columns.count)
    for index in 0..<columns.count where columns.timestamps[index] >= from.time {
      let time = columns.timestamps[index]
      guard takeRoom(16) else { return SlotExport.Position(section: Section.samples, time: time) }
      open(starts.isEmpty ? 0 : starts[index])
      batch.append(timestamp: time, valueBits: columns.values[index])
    }
    return nil
  }

  private mutating func addHistograms(
    _ histograms: [StoredHistogram], _ from: SlotExport.Position
  ) -> SlotExport.Position? {
    guard from.section <= Section.histograms else { return nil }
    let first = from.section == Section.histograms ? from.time : .min
    for histogram in histograms where histogram.timestamp >= first {
      guard takeRoom(24 + histogram.bytes.count) else {
        return SlotExport.Position(section: Section.histograms, time: histogram.timestamp)
      }
      open(histogram.start)
      batch.append(timestamp: histogram.timestamp, encodedHistogram: histogram.bytes)
    }
    return nil
  }

  private mutating func addExemplars(
    _ exemplars: [StoredExemplar], _ from: SlotExport.Position
  ) -> SlotExport.Position? {
    let first = from.section == Section.exemplars ? from.time : .min
    var (time, passed) = (Int64.min, UInt32(0))
    for exemplar in exemplars where exemplar.timestamp >= first {
      passed = exemplar.timestamp == time ? passed + 1 : 0
      time = exemplar.timestamp
      if from.section == Section.exemplars, time == from.time, passed < from.passed { continue }
      guard takeRoom(32 + exemplar.labels.count) else {
        return SlotExport.Position(section: Section.exemplars, time: time, passed: passed)
      }
      open(start ?? 0)
      batch.append(
        exemplar: Exemplar(
          timestampMilliseconds: time, value: Double(bitPattern: exemplar.bits),
          labels: LabelSet(canonicalBytes: exemplar.labels)))
    }
    return nil
  }

  private mutating func endTenant() throws(SlotContentsError) {
    defer { definitions.removeAll() }
    guard batch.seriesCount > 0 else { return }
    let id = Hash128(high: UInt64(payload.count), low: UInt64(batch.sampleCount))
    guard let defined = definitions.build(tenant: tenant), let built = batch.build(tenant: tenant, batchID: id) else {
      throw .malformed("a row does not fit into a frame")
    }
    payload += defined.frame.bytes
    payload += built.frame.bytes
  }

  /// The payload.
  mutating func finish() throws(SlotContentsError) -> [UInt8] {
    try endTenant()
    return payload
  }
}

extension SeriesEngine {
  package func export(
    of slot: UInt16, window: Int64, _ request: SlotExport.Request, bytesMax: Int
  ) throws(SlotContentsError) -> SlotExport {
    if window == SlotWindow.timeless { return try descriptionExport(of: slot, request, bytesMax: bytesMax) }
    let first = request.keys.first
    let isAskedFor = request.isAskedFor
    var export = SeriesExport(bytesMax: bytesMax)
    guard var walk = try slotWalk(slot, window, where: { isAskedFor($0.hash) }) else {
      return SlotExport(payload: [], rest: nil)
    }
    while let id = try walk.nextSeries() {
      let outcome = try export.add(&walk, from: id.hash == first ? request.position : nil)
      if case .upTo(let next) = outcome {
        let left = try walk.remainingSeries().map(\.hash).sorted()
        let rest = SlotExport.Request(keys: [id.hash] + left, position: next)
        return SlotExport(payload: try export.finish(), rest: rest)
      }
    }
    return SlotExport(payload: try export.finish(), rest: nil)
  }
}
