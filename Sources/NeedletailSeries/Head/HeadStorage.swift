import NeedletailTelemetry

/// What a head knows of one series beside its labels.
struct SeriesState: Sendable {
  var chain = SampleChain()
  /// The low bits of the log generation in which its labels were last logged.
  var loggedGeneration: UInt32
  /// Its newest histogram, as an index of `HeadStorage.histograms`.
  var histogramTail = SampleChain.none
  /// The latest start of its count that a sender told, in ms; 0 where none did.
  var startTimestamp: Int64 = 0
}

/// A native histogram at an instant, as it lies in a head or comes out of a part.
struct StoredHistogram: Sendable {
  var timestamp: Int64
  var bytes: [UInt8]
}

/// An exemplar of one of an index's series.
struct StoredExemplar: Hashable, Sendable {
  var series: Int
  var timestamp: Int64
  var bits: UInt64
  var labels: [UInt8]
}

/// Whose metric a description is of.
struct MetricKey: Hashable, Sendable {
  var tenant: TenantID
  var name: String
}

/// All that was appended since the last freeze: flat tables, no object for a series or a sample.
struct HeadStorage: Sendable {
  private struct HistogramRow: Sendable {
    var previous: UInt32
    var timestamp: Int64
    var bytes: ByteArena.Reference
  }

  private struct ExemplarRow: Sendable {
    var series: UInt32
    var timestamp: Int64
    var bits: UInt64
    var labels: ByteArena.Reference
  }

  private(set) var registry = SeriesRegistry()
  private(set) var index = HeadIndex()
  private(set) var states: [SeriesState] = []
  private(set) var samples = SampleSlabs()
  private var histograms: [HistogramRow] = []
  private var exemplars: [ExemplarRow] = []
  private var attachments = ByteArena()
  var metadata: MetricDescriptions

  /// An empty head that keeps at most so many bytes of descriptions of metrics.
  init(metadataBytesMax: Int) { metadata = MetricDescriptions(bytesMax: metadataBytesMax) }

  var isEmpty: Bool { registry.count == 0 && metadata.entries.isEmpty }

  /// About what the head occupies, in bytes.
  ///
  /// O(1).
  var byteCount: Int {
    registry.byteCount + index.byteCount + states.capacity * MemoryLayout<SeriesState>.stride + samples.byteCount
      + histograms.capacity * MemoryLayout<HistogramRow>.stride
      + exemplars.capacity * MemoryLayout<ExemplarRow>.stride + attachments.byteCount + metadata.byteCount
  }

  // MARK: - Adding

  mutating func number(of tenant: TenantID) -> Int { registry.number(of: tenant) }

  /// Adds a series that is not known.
  mutating func add(_ id: SeriesID, tenant: Int, labels: UnsafeRawBufferPointer, generation: UInt32) {
    let series = registry.add(id, tenant: tenant, labels: labels)
    index.add(series, in: registry)
    states.append(SeriesState(loggedGeneration: generation))
  }

  mutating func noteLogged(_ series: Int, generation: UInt32) { states[series].loggedGeneration = generation }

  /// Adds a batch's samples that are within `bounds`, in ms.
  ///
  /// `numbers` are the numbers of the rows' series; a row of an unknown one (`UInt32.max`) is passed over.
  mutating func apply(
    _ rows: SeriesRows, numbers: [UInt32], bounds: ClosedRange<Int64>
  ) -> SeriesAppendOutcome {
    var outcome = SeriesAppendOutcome()
    for row in 0..<rows.seriesCount where numbers[row] != UInt32.max {
      let series = Int(numbers[row])
      if let start = rows.startTimestamp(row) {
        states[series].startTimestamp = max(states[series].startTimestamp, start)
      }
      for sample in rows.samples(of: row) {
        let time = rows.timestamp(sample)
        guard outcome.admit(time, bounds) else { continue }
        switch samples.append(time, rows.valueBits(sample), to: &states[series].chain) {
        case .inOrder: break
        case .outOfOrder: outcome.outOfOrder += 1
        case .duplicate: outcome.duplicates += 1
        }
      }
    }
    for index in 0..<rows.histogramCount {
      let histogram = rows.histogram(index)
      guard numbers[histogram.row] != UInt32.max, outcome.admit(histogram.timestamp, bounds) else { continue }
      let series = Int(numbers[histogram.row])
      histograms.append(
        HistogramRow(
          previous: states[series].histogramTail, timestamp: histogram.timestamp,
          bytes: attachments.append(histogram.bytes)))
      states[series].histogramTail = UInt32(truncatingIfNeeded: histograms.count - 1)
    }
    for index in 0..<rows.exemplarCount {
      let exemplar = rows.exemplar(index)
      guard numbers[exemplar.row] != UInt32.max, bounds.contains(exemplar.timestamp) else { continue }
      exemplars.append(
        ExemplarRow(
          series: numbers[exemplar.row], timestamp: exemplar.timestamp, bits: exemplar.valueBits,
          labels: attachments.append(exemplar.labels)))
    }
    return outcome
  }

  // MARK: - Reading

  /// Appends a series' float samples within the range, sorted and settled.
  func collect(_ series: Int, from start: Int64, to end: Int64, into columns: inout SampleColumns) {
    let first = columns.count
    samples.collect(states[series].chain, from: start, to: end, into: &columns)
    if states[series].chain.isUnordered { columns.settle(from: first) }
  }

  /// A series' histograms within the range, in no order.
  func histograms(_ series: Int, from start: Int64, to end: Int64) -> [StoredHistogram] {
    var result: [StoredHistogram] = []
    var next = states[series].histogramTail
    while next != SampleChain.none {
      let row = histograms[Int(next)]
      if row.timestamp >= start, row.timestamp <= end {
        result.append(StoredHistogram(timestamp: row.timestamp, bytes: attachments.withBytes(row.bytes) { Array($0) }))
      }
      next = row.previous
    }
    return result
  }

  /// Whether a series has a sample within the range, as far as its earliest and latest time tell.
  func mayHave(_ series: Int, from start: Int64, to end: Int64) -> Bool {
    let chain = states[series].chain
    if chain.count > 0, chain.minTime <= end, chain.maxTime >= start { return true }
    var next = states[series].histogramTail
    while next != SampleChain.none {
      let row = histograms[Int(next)]
      if row.timestamp >= start, row.timestamp <= end { return true }
      next = row.previous
    }
    return false
  }

  /// The exemplars within the range of the series that `isWanted` accepts, in order of arrival.
  func exemplars(from start: Int64, to end: Int64, where isWanted: (Int) -> Bool) -> [StoredExemplar] {
    exemplars.compactMap { row in
      guard row.timestamp >= start, row.timestamp <= end, isWanted(Int(row.series)) else { return nil }
      return StoredExemplar(
        series: Int(row.series), timestamp: row.timestamp, bits: row.bits,
        labels: attachments.withBytes(row.labels) { Array($0) })
    }
  }

  /// The index as a tenant sees it; nil where the head has nothing of it.
  func view(of tenant: TenantID) -> HeadIndexView? {
    registry.tenants.firstIndex(of: tenant).map { HeadIndexView(registry: registry, index: index, tenant: $0) }
  }
}

extension SeriesAppendOutcome {
  /// Counts a sample; false where it is not to be kept.
  @inline(__always) mutating func admit(_ time: Int64, _ bounds: ClosedRange<Int64>) -> Bool {
    if time < bounds.lowerBound {
      outOfRetention += 1
      return false
    }
    if time > bounds.upperBound {
      tooFarInFuture += 1
      return false
    }
    accepted += 1
    return true
  }
}
