import NeedletailTelemetry

/// Definitions that were read and checked once, outside of every lock.
///
/// The labels stay where they are, in the frame.
struct CheckedDefinitions: Sendable {
  private struct Entry: Sendable {
    var id: SeriesID
    var offset: UInt32
    var count: UInt32
  }

  private(set) var metrics: [(key: MetricKey, description: MetricMetadata)] = []
  private(set) var frame: [UInt8] = []
  private var entries: [Entry] = []
  private var slots = HashSlots()

  init() {}

  /// Reads all entries; throws at the first that is malformed or whose labels do not hash to its identity.
  init(_ definitions: SeriesDefinitions) throws {
    let tenant = definitions.tenant
    frame = definitions.frame.bytes
    try frame.withUnsafeBytes { frame in
      try definitions.forEachSeries { id, labels in
        guard find(id) == nil else { return }
        // Both are addresses in the same frame, which is far smaller than 4 GiB.
        let offset = labels.baseAddress.map { start in frame.baseAddress.map { start - $0 } ?? 0 } ?? 0
        guard offset >= 0, offset + labels.count <= frame.count else { throw MalformedBytes.truncated }
        entries.append(
          Entry(id: id, offset: UInt32(truncatingIfNeeded: offset), count: UInt32(truncatingIfNeeded: labels.count)))
        slots.insert(id.hash.low, entries.count - 1) { entries[$0].id.hash.low }
      }
    }
    try definitions.forEachMetric { name, description in
      metrics.append((MetricKey(tenant: tenant, name: name), description))
    }
  }

  /// How many series are defined.
  var seriesCount: Int { entries.count }

  private func find(_ id: SeriesID) -> Int? { slots.find(id.hash.low) { entries[$0].id == id } }

  func contains(_ id: SeriesID) -> Bool { find(id) != nil }

  /// Lends the canonical label bytes of a series; nil where it is not defined.
  func withLabels<Result>(of id: SeriesID, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result? {
    guard let entry = find(id).map({ entries[$0] }) else { return nil }
    return try frame.withUnsafeBytes { frame in
      try body(UnsafeRawBufferPointer(rebasing: frame[Int(entry.offset)..<Int(entry.offset) + Int(entry.count)]))
    }
  }

  /// Calls `body` with every series.
  func forEachSeries(_ body: (_ id: SeriesID, _ labels: UnsafeRawBufferPointer) throws -> Void) rethrows {
    try frame.withUnsafeBytes { frame in
      for entry in entries {
        try body(
          entry.id,
          UnsafeRawBufferPointer(rebasing: frame[Int(entry.offset)..<Int(entry.offset) + Int(entry.count)]))
      }
    }
  }
}

extension SeriesRows {
  /// Checks what a batch's shape does not tell: that histograms decode and exemplars' labels are canonical.
  func checkAttachments() throws(MalformedBytes) {
    for index in 0..<histogramCount {
      var reader = ByteReader(histogram(index).bytes)
      let value = try NativeHistogram(decoding: &reader)
      // One byte form for each: by it histograms are compared, and two copies of one are the same.
      guard value.byteCount == histogram(index).bytes.count else { throw .invalid("a histogram has bytes left over") }
    }
    for index in 0..<exemplarCount { try LabelSet.check(exemplar(index).labels) }
  }

  /// From the earliest to the latest of all samples, histograms and exemplars, in ms; nil where there are none.
  var times: ClosedRange<Int64>? {
    var (earliest, latest) = (Int64.max, Int64.min)
    func add(_ time: Int64) { (earliest, latest) = (min(earliest, time), max(latest, time)) }
    if seriesCount > 0 { for sample in 0..<samples(of: seriesCount - 1).upperBound { add(timestamp(sample)) } }
    for index in 0..<histogramCount { add(histogram(index).timestamp) }
    for index in 0..<exemplarCount { add(exemplar(index).timestamp) }
    return earliest <= latest ? earliest...latest : nil
  }
}
